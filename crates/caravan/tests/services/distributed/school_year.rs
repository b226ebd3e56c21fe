//! The school year on the services: smaller, and a week between two nights.

use super::year::{Size, year};

#[tokio::test(flavor = "multi_thread")]
async fn a_school_year_is_clean_whenever_it_is_looked_at() {
    year(20_260_907, Size { trainers: 18, students: 160, nights: 28, step: 7, nights_a_crash: 6 }).await;
}
