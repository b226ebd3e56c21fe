//! Statements over many rows at once: one for hundreds of rows instead of one for each.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

/// A statement with its values bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Rows in one statement. Only these sizes occur, so that each statement is prepared once for
/// each size; any number of rows is at most three statements a size.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement with `VALUES` of any number of rows in it.
pub(super) struct Bulk {
    sized: [Arc<str>; SIZES.len()],
}

impl Bulk {
    /// The statement `head VALUES (?, …), … tail` with rows of this many columns.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let sized = SIZES.map(|rows| format!("{head} VALUES {} {tail}", vec![row.as_str(); rows].join(",")).into());
        Self { sized }
    }

    /// An insert of these columns of a table, with an upsert clause or none.
    pub(super) fn insert(table: &str, columns: &str, tail: &str) -> Self {
        Self::new(&format!("INSERT INTO {table} ({columns})"), columns.split(',').count(), tail)
    }

    /// A statement that joins the rows as `v`, whose columns get these names.
    pub(super) fn with(columns: &str, statement: &str) -> Self {
        Self::new(&format!("WITH v ({columns}) AS ("), columns.split(',').count(), &format!(") {statement}"))
    }

    /// Runs it for all rows, as often as it takes; returns how many rows of tables it touched.
    pub(super) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl for<'q> Fn(Query<'q>, &T) -> Query<'q>,
    ) -> Result<u64, sqlx::Error> {
        let mut rest = rows;
        let mut touched = 0;
        while !rest.is_empty() {
            let (size, sql) = SIZES
                .iter()
                .zip(&self.sized)
                .find(|(size, _)| **size <= rest.len())
                .unwrap_or((&1, &self.sized[SIZES.len() - 1]));
            let (chunk, behind) = rest.split_at(*size);
            rest = behind;
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(Arc::clone(sql))), &bind);
            touched += query.execute(&mut *connection).await?.rows_affected();
        }
        Ok(touched)
    }
}

/// A list as JSON text, for `IN (SELECT value FROM json_each(?))`: one prepared statement for any
/// number of values.
pub(super) fn json_list<T: serde::Serialize>(values: &[T]) -> String {
    // Texts and numbers have no way to fail.
    serde_json::to_string(values).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_a_few_statements() {
        for rows in 1..2_000_usize {
            let mut rest = rows % SIZES[0];
            let statements: usize = SIZES[1..]
                .iter()
                .map(|size| {
                    let count = rest / size;
                    rest %= size;
                    count
                })
                .sum();
            assert_eq!(rest, 0);
            assert!(statements <= 12, "{rows} rows: {statements} statements beside the large ones");
        }
    }

    #[test]
    fn the_rows_stand_in_the_statement() {
        let bulk = Bulk::insert("positions", "topic, next_offset", "ON CONFLICT DO NOTHING");
        assert_eq!(&*bulk.sized[4], "INSERT INTO positions (topic, next_offset) VALUES (?,?) ON CONFLICT DO NOTHING");
        assert!(bulk.sized[3].contains("VALUES (?,?),(?,?),(?,?),(?,?) "));
    }
}
