//! How values of the rules look in what readers are shown.

use utoipa::ToSchema;

/// A weekly local time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
pub(crate) struct SlotShape {
    weekday: WeekdayShape,
    /// On a 15-minute mark.
    #[schema(pattern = "^([01][0-9]|2[0-3]):(00|15|30|45)$", examples("17:00"))]
    at: String,
}

/// A day of the week.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes: the rules read and write it")]
pub(crate) enum WeekdayShape {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
