//! Text and JSON on standard output; tables that can be piped, and a closed pipe that ends quietly.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

pub(crate) use caravan::views::counted;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::args::ListArgs;
use super::failure::Failure;

/// Rows a table looks at before it settles its columns' widths; later rows may stick out.
const ROWS_MEASURED: usize = 200;
const COLUMN_GAP: &str = "  ";

/// Standard output.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    colour: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let colour = io::stdout().is_terminal() && caravan::telemetry::colour_wanted();
        Self { out: BufWriter::new(io::stdout()), colour }
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.as_ref())?;
        Ok(())
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Makes what was written visible.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// `text` as a heading, if there is colour.
    pub(crate) fn heading(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// `text` as good news.
    pub(crate) fn good(&self, text: &str) -> String {
        self.painted("32", text)
    }

    /// `text` as something to look at.
    pub(crate) fn warning(&self, text: &str) -> String {
        self.painted("33", text)
    }

    /// `text` as bad news.
    pub(crate) fn bad(&self, text: &str) -> String {
        self.painted("31", text)
    }

    /// SGR parameters of ECMA-48 section 8.3.117.
    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A row of a list: an object for machines, cells for people.
pub(crate) trait Row: Serialize {
    /// The headings of the cells.
    const COLUMNS: &'static [&'static str];
    /// As many cells as there are headings.
    fn cells(&self) -> Vec<String>;
}

/// A list on its way out, row by row: however long it is, only a few rows are held.
pub(crate) struct List<'a> {
    output: &'a mut Output,
    json: bool,
    left: Option<u64>,
    columns: &'static [&'static str],
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    written: u64,
}

impl<'a> List<'a> {
    /// A list of `R`s.
    pub(crate) fn of<R: Row>(output: &'a mut Output, args: ListArgs) -> Self {
        let ListArgs { json, limit } = args;
        Self { output, json, left: limit, columns: R::COLUMNS, waiting: Vec::new(), widths: None, written: 0 }
    }

    /// Whether another row is wanted.
    pub(crate) fn wants_more(&self) -> bool {
        self.left != Some(0)
    }

    /// How many rows are wanted of a page of at most `page` rows.
    pub(crate) fn page(&self, page: usize) -> usize {
        self.left.map_or(page, |left| page.min(usize::try_from(left).unwrap_or(page)))
    }

    /// Writes a row, unless the limit is reached.
    pub(crate) fn push<R: Row>(&mut self, row: &R) -> Result<(), Failure> {
        if !self.wants_more() {
            return Ok(());
        }
        self.left = self.left.map(|left| left - 1);
        self.written += 1;
        if self.json {
            return self.output.json(row);
        }
        let cells = row.cells().iter().map(|cell| printable(cell)).collect::<Vec<_>>();
        match &self.widths {
            Some(widths) => self.output.line(aligned(&cells, widths)),
            None => {
                self.waiting.push(cells);
                if self.waiting.len() >= ROWS_MEASURED { self.settle() } else { Ok(()) }
            }
        }
    }

    /// Writes what is left; says `nothing` where a table would be empty.
    pub(crate) fn finish(mut self, nothing: &str) -> Result<(), Failure> {
        if !self.json {
            if self.written == 0 {
                return self.output.line(nothing);
            }
            if self.widths.is_none() {
                self.settle()?;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.waiting);
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.width()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let headings: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        let headings = self.output.heading(&aligned(&headings, &widths));
        self.output.line(headings)?;
        for row in &rows {
            self.output.line(aligned(row, &widths))?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

/// Cells in columns; the last one is not padded, so that lines don't end in spaces.
fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        line.push_str(cell);
        if at + 1 < cells.len() {
            let padding = widths.get(at).copied().unwrap_or(0).saturating_sub(cell.width());
            line.extend(std::iter::repeat_n(' ', padding));
            line.push_str(COLUMN_GAP);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Text of others without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// `text` or a dash.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let cells = |row: [&str; 3]| row.map(str::to_owned).to_vec();
        let widths = [4, 6, 3];
        assert_eq!(aligned(&cells(["a", "bb", "c"]), &widths), "a     bb      c");
        assert_eq!(aligned(&cells(["long", "bb", ""]), &widths), "long  bb");
        assert_eq!(aligned(&cells(["日本", "bb", "c"]), &widths), "日本  bb      c");
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(printable("Asha\u{1b}[2J\n"), "Asha\\u{1b}[2J\\n");
        assert_eq!(printable("Åsa 日本"), "Åsa 日本");
    }
}
