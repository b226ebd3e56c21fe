//! The school year on the services: smaller, and a week between two nights.

use super::year::{Size, year};

#[tokio::test(flavor = "multi_thread")]
async fn a_school_year_is_clean_every_week() {
    year(20_260_907, Size { trainers: 20, students: 150, nights: 30, step: 7 }).await;
}
