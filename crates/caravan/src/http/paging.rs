//! Pages of lists: how many rows, and an opaque cursor to go on from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::problem::Problem;

/// Rows of a page unless asked for otherwise.
pub(super) const ROWS_DEFAULT: usize = 100;
/// Rows of a page.
pub(super) const ROWS_MAX: usize = 1_000;
/// Characters of a cursor: none of ours is longer.
const CURSOR_CHARS_MAX: usize = 2_000;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the page before; the first page without it.
    cursor: Option<String>,
}

impl Page {
    /// How many rows.
    ///
    /// # Errors
    /// If that is out of bounds.
    pub(super) fn rows(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(ROWS_DEFAULT) {
            rows if (1..=ROWS_MAX).contains(&rows) => Ok(rows),
            rows => Err(Problem::bad_request(format!("limit must be a whole number from 1 to {ROWS_MAX}, is {rows}"))),
        }
    }

    /// Where the page begins.
    ///
    /// # Errors
    /// If the cursor is none of this list's.
    pub(super) fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        read(cursor).map(Some).ok_or_else(|| {
            Problem::bad_request("cursor is not one of this list; take it as it is from `next`, or begin without one")
        })
    }
}

/// A cursor that says this.
pub(super) fn cursor<T: Serialize>(place: &T) -> String {
    // Texts and numbers have no way to fail.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// What a cursor says.
pub(super) fn read<T: DeserializeOwned>(cursor: &str) -> Option<T> {
    if cursor.len() > CURSOR_CHARS_MAX {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(limit: Option<usize>, cursor: Option<&str>) -> Page {
        Page { limit, cursor: cursor.map(str::to_owned) }
    }

    #[test]
    fn a_page_has_a_bounded_number_of_rows() {
        for (limit, rows) in
            [(None, Some(100)), (Some(1), Some(1)), (Some(1_000), Some(1_000)), (Some(0), None), (Some(1_001), None)]
        {
            assert_eq!(page(limit, None).rows().ok(), rows, "{limit:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let numbers = cursor(&(7_i64,));
        assert_eq!(page(None, Some(&numbers)).after::<(i64,)>().ok(), Some(Some((7,))));
        assert!(page(None, Some(&numbers)).after::<(String,)>().is_err());
        assert_eq!(page(None, None).after::<(i64,)>().ok(), Some(None));
    }

    proptest! {
        #[test]
        fn no_text_whatsoever_makes_it_panic(text: String) {
            let _ = page(None, Some(&text)).after::<(i64, String)>();
        }
    }
}
