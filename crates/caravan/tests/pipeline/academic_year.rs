//! The school year at its full size. It takes the longest of all, so it is named to begin first.

use crate::year::{Size, year};

#[tokio::test(flavor = "multi_thread")]
async fn a_school_year_is_clean_every_night() {
    year(20_260_907, Size { trainers: 80, students: 2_000, nights: 200, step: 1, nights_a_crash: 3 }).await;
}
