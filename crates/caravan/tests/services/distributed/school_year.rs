//! The school year on the services: smaller, and two weeks between two nights.

use super::year::{Size, year};

#[tokio::test(flavor = "multi_thread")]
async fn a_school_year_is_clean_whenever_it_is_looked_at() {
    year(20_260_907, Size { trainers: 16, students: 100, nights: 15, step: 14, nights_a_crash: 5 }).await;
}
