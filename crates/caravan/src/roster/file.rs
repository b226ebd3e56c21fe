//! The lines of a roster file: JSON lines or CSV, every fault with its line.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use caravan_domain::rejection::FieldFault;
use caravan_domain::trainer::{
    Closure, TrainerPatch, closure_from_csv, closure_from_json, trainer_from_csv, trainer_from_json,
};

/// The largest file that is read.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
}

impl Format {
    /// By the name if it says so, else by the first character.
    pub fn of(file: &Path, content: &[u8]) -> Self {
        let extension = file.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
        match extension.as_deref() {
            Some("csv") => Self::Csv,
            Some("json" | "jsonl" | "ndjson") => Self::JsonLines,
            _ => match without_mark(content).iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{' | b'[') | None => Self::JsonLines,
                Some(_) => Self::Csv,
            },
        }
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The line, from 1.
    pub line: u64,
    /// What it says.
    pub content: T,
}

/// A fault and the line it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// The line, from 1.
    pub line: u64,
    /// The field and what is wrong with it.
    pub fault: FieldFault,
}

impl LineFault {
    pub(crate) fn of_line(line: u64, problem: impl Into<String>) -> Self {
        Self { line, fault: FieldFault { pointer: String::new(), problem: problem.into() } }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldFault { pointer, problem } = &self.fault;
        match pointer.as_str() {
            "" => write!(f, "line {}: {problem}", self.line),
            pointer => write!(f, "line {}: {pointer} {problem}", self.line),
        }
    }
}

/// The trainers of a file, each once.
///
/// # Errors
/// Every fault there is, by line.
pub fn trainers_of(content: &[u8], format: Format) -> Result<Vec<Entry<TrainerPatch>>, Vec<LineFault>> {
    let mut reading = match format {
        Format::JsonLines => json_lines(content, trainer_from_json),
        Format::Csv => csv_records(content, |header, record| trainer_from_csv(header, record)),
    };
    let twice = named_twice(&reading.entries);
    reading.faults.extend(twice);
    reading.finish()
}

/// The closures of a file.
///
/// # Errors
/// Every fault there is, by line.
pub fn closures_of(content: &[u8], format: Format) -> Result<Vec<Entry<Closure>>, Vec<LineFault>> {
    match format {
        Format::JsonLines => json_lines(content, closure_from_json).finish(),
        Format::Csv => csv_records(content, |header, record| closure_from_csv(header, record)).finish(),
    }
}

/// A file, as far as it could be read.
pub(crate) struct Reading<T> {
    pub(crate) entries: Vec<Entry<T>>,
    pub(crate) faults: Vec<LineFault>,
}

impl<T> Reading<T> {
    fn new() -> Self {
        Self { entries: Vec::new(), faults: Vec::new() }
    }

    fn note(&mut self, line: u64, read: Result<T, Vec<FieldFault>>) {
        match read {
            Ok(content) => self.entries.push(Entry { line, content }),
            Err(faults) => self.faults.extend(faults.into_iter().map(|fault| LineFault { line, fault })),
        }
    }

    fn finish(mut self) -> Result<Vec<Entry<T>>, Vec<LineFault>> {
        if self.faults.is_empty() {
            return Ok(self.entries);
        }
        self.faults.sort_by_key(|fault| fault.line);
        Err(self.faults)
    }
}

/// Reads one JSON value a line.
pub(crate) fn json_lines<T>(content: &[u8], read: impl Fn(&[u8]) -> Result<T, Vec<FieldFault>>) -> Reading<T> {
    let mut reading = Reading::new();
    for (line, text) in (1..).zip(without_mark(content).split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if !text.is_empty() {
            reading.note(line, read(text));
        }
    }
    reading
}

fn csv_records<T>(
    content: &[u8],
    read: impl for<'a> Fn(Vec<&'a str>, Vec<&'a str>) -> Result<T, Vec<FieldFault>>,
) -> Reading<T> {
    let mut reading = Reading::new();
    let content = without_mark(content);
    // Every record is read, even one with too few columns, so that all faults are told at once.
    let mut records = csv::ReaderBuilder::new().flexible(true).from_reader(content);
    let header = match records.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            reading.faults.push(LineFault::of_line(1, error.to_string()));
            return reading;
        }
    };
    let mut lines = Lines::of(content);
    let mut record = csv::ByteRecord::new();
    loop {
        match records.read_byte_record(&mut record) {
            Ok(false) => return reading,
            Ok(true) => {
                let line = lines.at(record.position());
                let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
                match cells {
                    Ok(cells) => reading.note(line, read(header.iter().collect(), cells)),
                    Err(_) => reading.faults.push(LineFault::of_line(line, "is not UTF-8")),
                }
            }
            Err(error) => {
                let line = lines.at(error.position());
                reading.faults.push(LineFault::of_line(line, error.to_string()));
                return reading;
            }
        }
    }
}

/// Which line each record stands on. Records are told to begin where the one before was complete, which is before the
/// line feed of its CR LF and before empty lines.
struct Lines<'a> {
    content: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(content: &'a [u8]) -> Self {
        Self { content, at: 0, line: 1 }
    }

    /// The line of the first character from there on that doesn't end one. Positions are asked for in their order.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let from = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        while let Some(byte) = self.content.get(self.at) {
            let ends_here = match byte {
                b'\n' => true,
                b'\r' => self.content.get(self.at + 1) != Some(&b'\n'),
                _ if self.at >= from => break,
                _ => false,
            };
            self.line += u64::from(ends_here);
            self.at += 1;
        }
        self.line
    }
}

/// A trainer that two lines are about: which of them would count is anybody's guess.
fn named_twice(entries: &[Entry<TrainerPatch>]) -> Vec<LineFault> {
    let mut first_lines: HashMap<&str, u64> = HashMap::with_capacity(entries.len());
    let mut faults = Vec::new();
    for Entry { line, content } in entries {
        let Some(id) = content.trainer_id() else { continue };
        if let Some(first) = first_lines.get(id) {
            let problem = format!("is {id:?}, which line {first} is about already");
            faults.push(LineFault { line: *line, fault: FieldFault { pointer: "/trainer_id".to_owned(), problem } });
        } else {
            first_lines.insert(id, *line);
        }
    }
    faults
}

fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "trainer_id,time_zone,languages,courses,availability\n\
                       t1,Asia/Kolkata,en;hi,python:beginner|advanced,tue 15:00-21:00;wed 15:00-21:00\n\
                       t2,Europe/Berlin,de,go:beginner,mon 08:00-12:00\n";

    fn told(result: Result<Vec<Entry<TrainerPatch>>, Vec<LineFault>>) -> Vec<String> {
        result.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_format_is_the_names_or_else_the_contents() {
        for (name, content, format) in [
            ("a.csv", "{", Format::Csv),
            ("a.CSV", "", Format::Csv),
            ("a.jsonl", "trainer_id", Format::JsonLines),
            ("-", "trainer_id,name", Format::Csv),
            ("-", "\u{FEFF}\n {\"trainer_id\":1}", Format::JsonLines),
            ("roster.txt", "", Format::JsonLines),
        ] {
            assert_eq!(Format::of(Path::new(name), content.as_bytes()), format, "{name} {content:?}");
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let csv = trainers_of(CSV.as_bytes(), Format::Csv).unwrap();
        let json = "{\"trainer_id\":\"t1\",\"time_zone\":\"Asia/Kolkata\",\"languages\":[\"en\",\"hi\"],\
                    \"courses\":[{\"subject\":\"python\",\"levels\":[\"beginner\",\"advanced\"]}],\"availability\":[\
                    {\"weekday\":\"tue\",\"from\":\"15:00\",\"until\":\"21:00\"},\
                    {\"weekday\":\"wed\",\"from\":\"15:00\",\"until\":\"21:00\"}]}";
        assert_eq!(csv[0].content, trainers_of(json.as_bytes(), Format::JsonLines).unwrap()[0].content);
        assert_eq!(csv.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_file() {
        let marked = format!("\u{FEFF}{CSV}");
        assert_eq!(trainers_of(marked.as_bytes(), Format::Csv).unwrap().len(), 2);
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_field() {
        let file =
            b"{\"trainer_id\":\"a\",\"weight\":0}\n\n{\"trainer_id\":\"b\",\"tiem_zone\":\"UTC\"}\n{\n\xFF\xFE\n";
        let faults = told(trainers_of(file, Format::JsonLines));
        assert!(faults[0].starts_with("line 1: /weight "), "{faults:?}");
        assert!(faults[1].starts_with("line 3: ") && faults[1].contains("tiem_zone"), "{faults:?}");
        assert!(faults[2].starts_with("line 4: ") && faults[3].starts_with("line 5: "), "{faults:?}");
    }

    #[test]
    fn two_lines_about_one_trainer_are_told_both() {
        let faults = told(trainers_of(
            b"{\"trainer_id\":\"a\"}\n{\"trainer_id\":\"b\"}\n{\"trainer_id\":\"a\"}",
            Format::JsonLines,
        ));
        assert_eq!(faults, ["line 3: /trainer_id is \"a\", which line 1 is about already"]);
    }

    #[test]
    fn a_fault_is_told_of_the_line_it_stands_on_however_lines_end() {
        let csv = "trainer_id,time_zone,name\n\nt1,UTC,Ann\n\nt2,UTC,\"two\nlines\"\nt3,Nowhere/Else,\nt4,UTC,\n";
        let json = "{\"trainer_id\":\"a\"}\n\n{\"trainer_id\":\"b\",\"weight\":0}\n{\"trainer_id\":\"c\"}\n{\n";
        for (content, format, ends, lines) in [
            (csv, Format::Csv, vec!["\n", "\r\n", "\r"], vec![7]),
            (json, Format::JsonLines, vec!["\n", "\r\n"], vec![3, 5]),
        ] {
            for end in ends {
                let content = content.replace('\n', end);
                let faults = trainers_of(content.as_bytes(), format).unwrap_err();
                let told: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
                assert_eq!(told, lines, "{end:?}: {faults:?}");
            }
        }
    }

    #[test]
    fn a_closure_that_is_wrong_is_told_of_its_line_with_cr_lf_too() {
        let csv = "from,until,name\r\n2026-12-24,2026-12-26,Christmas\r\n2026-02-30,2026-02-30,Never\r\n";
        let json = "{\"from\":\"2026-12-24\",\"until\":\"2026-12-26\",\"name\":\"Christmas\"}\r\n\r\n{\"from\":7}\r\n";
        for content in [csv, json] {
            let format = Format::of(Path::new("-"), content.as_bytes());
            let faults = closures_of(content.as_bytes(), format).unwrap_err();
            assert!(faults.iter().all(|fault| fault.line == 3), "{faults:?}");
        }
    }

    #[test]
    fn a_csv_record_that_is_not_utf_8_or_too_short_is_a_fault_of_its_line() {
        let faults = told(trainers_of(b"trainer_id,time_zone\n\xFF,UTC\nt1\n", Format::Csv));
        assert!(faults[0].starts_with("line 2: is not UTF-8"), "{faults:?}");
        assert!(faults[1].starts_with("line 3: "), "{faults:?}");
    }
}
