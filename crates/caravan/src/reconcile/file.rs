//! The shop's list of payments: CSV with a header line, JSON lines, or a payment id a line.

use std::io::{BufRead, Read};

use caravan_domain::event::ID_CHARS_MAX;
use caravan_domain::rejection::FieldFault;
use serde_json::Value;

use crate::roster::LineFault;

/// The longest line, or record of several lines, that is read.
pub const LINE_BYTES_MAX: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const PAYMENT_ID: &str = "payment_id";

/// A payment as the shop lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The line, from 1.
    pub line: u64,
    /// The payment.
    pub payment_id: String,
    /// Which of several purchases of one payment.
    pub item: Option<String>,
    /// What was paid, in minor units, if it is listed.
    pub amount_minor: Option<i64>,
    /// In which currency, if it is listed.
    pub currency: Option<String>,
}

/// How a list is written; the first line tells.
enum Format {
    JsonLines,
    /// The names of the columns.
    Csv(Vec<String>),
    Ids,
}

/// Reads a list, a few lines at a time.
pub struct Reader<R> {
    input: R,
    line: u64,
    bytes: u64,
    format: Option<Format>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, bytes: 0, format: None }
    }

    /// How many bytes have been read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// The next payments, at most so many; none at the end.
    ///
    /// # Errors
    /// The line and field that can't be read.
    pub fn chunk(&mut self, payments_max: usize) -> Result<Vec<Listed>, LineFault> {
        let mut listed = Vec::new();
        while listed.len() < payments_max {
            let Some((line, text)) = self.record()? else { break };
            let format = match &self.format {
                Some(format) => format,
                None => {
                    let format = format_of(line, &text)?;
                    let is_header = matches!(format, Format::Csv(_));
                    let format = self.format.insert(format);
                    if is_header {
                        continue;
                    }
                    format
                }
            };
            listed.push(match format {
                Format::JsonLines => of_json(line, &text)?,
                Format::Csv(columns) => of_csv(line, &text, columns)?,
                Format::Ids => of_cells(line, Some(text.trim()), None, None, None)?,
            });
        }
        Ok(listed)
    }

    /// The next record that is not blank, with the line it begins on. Of CSV it goes on while a quote is open.
    fn record(&mut self) -> Result<Option<(u64, String)>, LineFault> {
        loop {
            let mut bytes = Vec::new();
            let first = self.line + 1;
            let (mut open, mut seen) = (false, 0);
            while self.append_line(first, &mut bytes)? {
                let quotes = bytes[seen..].iter().filter(|byte| **byte == b'"').count();
                seen = bytes.len();
                open ^= matches!(self.format, Some(Format::Csv(_))) && quotes % 2 == 1;
                if !open {
                    break;
                }
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            if first == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            let text = String::from_utf8(bytes).map_err(|_| fault(first, "", "is not UTF-8"))?;
            if !text.trim().is_empty() {
                return Ok(Some((first, text)));
            }
        }
    }

    /// Whether there was another line.
    fn append_line(&mut self, first: u64, bytes: &mut Vec<u8>) -> Result<bool, LineFault> {
        let room = (LINE_BYTES_MAX + 1).saturating_sub(bytes.len()) as u64;
        let read = self.input.by_ref().take(room).read_until(b'\n', bytes);
        let read = read.map_err(|error| fault(self.line + 1, "", format!("can't be read: {error}")))?;
        self.bytes += read as u64;
        self.line += u64::from(read > 0);
        if bytes.len() > LINE_BYTES_MAX {
            let hint = if self.line > first { "; is a quote not closed?" } else { "" };
            return Err(fault(first, "", format!("is longer than {LINE_BYTES_MAX} bytes{hint}")));
        }
        Ok(read > 0)
    }
}

fn fault(line: u64, field: &str, problem: impl Into<String>) -> LineFault {
    let pointer = if field.is_empty() { String::new() } else { format!("/{field}") };
    LineFault { line, fault: FieldFault { pointer, problem: problem.into() } }
}

fn format_of(line: u64, first: &str) -> Result<Format, LineFault> {
    if first.trim_start().starts_with('{') {
        return Ok(Format::JsonLines);
    }
    let columns: Vec<String> = cells(line, first)?.iter().map(|name| name.trim().to_lowercase()).collect();
    if columns.iter().any(|name| name == PAYMENT_ID) {
        return Ok(Format::Csv(columns));
    }
    if columns.len() > 1 || first.to_lowercase().contains(PAYMENT_ID) {
        let problem = "is missing: a CSV file begins with a line that names its columns, separated by commas";
        return Err(fault(line, PAYMENT_ID, problem));
    }
    Ok(Format::Ids)
}

fn cells(line: u64, record: &str) -> Result<csv::StringRecord, LineFault> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record.as_bytes());
    let mut cells = csv::StringRecord::new();
    reader.read_record(&mut cells).map_err(|error| fault(line, "", format!("can't be read: {error}")))?;
    Ok(cells)
}

fn of_csv(line: u64, record: &str, columns: &[String]) -> Result<Listed, LineFault> {
    let cells = cells(line, record)?;
    if cells.len() != columns.len() {
        let problem = format!("has {} fields, the header names {}", cells.len(), columns.len());
        return Err(fault(line, "", problem));
    }
    let cell = |name: &str| {
        let at = columns.iter().position(|column| column == name)?;
        cells.get(at).map(str::trim).filter(|cell| !cell.is_empty())
    };
    let minor = cell("amount_minor").map(|text| {
        text.parse::<i64>().map_err(|_| fault(line, "amount_minor", "must be a whole number of minor units"))
    });
    of_cells(line, cell(PAYMENT_ID), cell("item"), minor.transpose()?, cell("currency"))
}

fn of_json(line: u64, text: &str) -> Result<Listed, LineFault> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| fault(line, "", format!("is not a JSON object: {error}")))?;
    let text = |name: &str, value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(fault(line, name, "must be a text")),
    };
    // A file of confirmations can be given as it is: there the amount is a member of its own.
    let either = |flat: &str, nested: &str| value.get(flat).or_else(|| value.pointer(nested));
    let minor = match either("amount_minor", "/amount/minor") {
        None | Some(Value::Null) => None,
        Some(minor) => {
            Some(minor.as_i64().ok_or_else(|| fault(line, "amount_minor", "must be a whole number of minor units"))?)
        }
    };
    let (payment_id, item) = (text(PAYMENT_ID, value.get(PAYMENT_ID))?, text("item", value.get("item"))?);
    let currency = text("currency", either("currency", "/amount/currency"))?;
    of_cells(line, payment_id.as_deref(), item.as_deref(), minor, currency.as_deref())
}

fn of_cells(
    line: u64,
    payment_id: Option<&str>,
    item: Option<&str>,
    amount_minor: Option<i64>,
    currency: Option<&str>,
) -> Result<Listed, LineFault> {
    let payment_id = payment_id.ok_or_else(|| fault(line, PAYMENT_ID, "is missing"))?;
    for (name, text) in [(PAYMENT_ID, Some(payment_id)), ("item", item)] {
        let chars = text.map_or(1, |text| text.chars().count());
        if !(1..=ID_CHARS_MAX).contains(&chars) {
            return Err(fault(line, name, format!("must have 1 to {ID_CHARS_MAX} characters, has {chars}")));
        }
    }
    if amount_minor.is_some_and(|minor| minor < 0) {
        return Err(fault(line, "amount_minor", "must not be negative"));
    }
    if currency.is_some_and(|code| code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Err(fault(line, "currency", "must be an ISO 4217 code, such as EUR"));
    }
    let (item, currency) = (item.map(str::to_owned), currency.map(str::to_owned));
    Ok(Listed { line, payment_id: payment_id.to_owned(), item, amount_minor, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<Listed>, String> {
        let mut reader = Reader::new(text);
        let (mut all, mut chunk) = (Vec::new(), vec![Listed::default()]);
        while !chunk.is_empty() {
            chunk = reader.chunk(2).map_err(|fault| fault.to_string())?;
            assert!(chunk.len() <= 2);
            all.extend(chunk.clone());
        }
        assert_eq!(reader.bytes_read(), text.len() as u64);
        Ok(all)
    }

    fn told(text: &str) -> Vec<String> {
        let shown = |one: Listed| {
            let amount = one.amount_minor.map_or_else(|| "-".to_owned(), |minor| minor.to_string());
            let [item, currency] = [one.item, one.currency].map(|text| text.unwrap_or_else(|| "-".to_owned()));
            format!("{}: {} {item} {amount} {currency}", one.line, one.payment_id)
        };
        read(text.as_bytes()).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn the_first_line_tells_how_a_list_is_written() {
        assert_eq!(told("pay_1\r\n\n  pay_2 \npay_3"), ["1: pay_1 - - -", "3: pay_2 - - -", "4: pay_3 - - -"]);
        let csv = "\u{FEFF}note,Payment_ID,currency,amount_minor,item\r\n\"a, \"\"b\"\"\nc\",pay_1,EUR,100,\r\n,pay_2,,,two\n";
        assert_eq!(told(csv), ["2: pay_1 - 100 EUR", "4: pay_2 two - -"]);
        assert_eq!(told("payment_id\npay_1\n"), ["2: pay_1 - - -"]);
        let json = "{\"payment_id\":\"pay_1\",\"item\":\"x\",\"amount_minor\":5}\n\
                    {\"payment_id\":\"pay_2\",\"item\":null,\"amount\":{\"minor\":7,\"currency\":\"INR\"}}\n";
        assert_eq!(told(json), ["1: pay_1 x 5 -", "2: pay_2 - 7 INR"]);
        assert_eq!(told(""), [""; 0]);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_line_and_field() {
        let long = "x".repeat(201);
        for (text, expected) in [
            ("id,amount\npay_1,5\n", "line 1: /payment_id is missing"),
            ("payment_id;amount_minor\npay_1;5\n", "line 1: /payment_id is missing"),
            ("payment_id,item\npay_1,x\n,y\n", "line 3: /payment_id is missing"),
            ("payment_id,item\npay_1\n", "line 2: has 1 fields, the header names 2"),
            ("payment_id,amount_minor\npay_1,5.00\n", "line 2: /amount_minor must be a whole number"),
            ("payment_id,amount_minor\npay_1,-5\n", "line 2: /amount_minor must not be negative"),
            ("payment_id,currency\npay_1,euro\n", "line 2: /currency must be an ISO 4217 code"),
            ("{\"payment_id\":\"pay_1\"}\n{\"payment_id\":7}\n", "line 2: /payment_id must be a text"),
            ("{\"payment_id\":\"pay_1\"}\n\n{\n", "line 3: is not a JSON object"),
            ("{\"payment_id\":\"pay_1\",\"amount_minor\":\"5\"}", "line 1: /amount_minor must be a whole number"),
            (long.as_str(), "line 1: /payment_id must have 1 to 200 characters, has 201"),
        ] {
            let problem = read(text.as_bytes()).unwrap_err();
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
        assert_eq!(read(b"pay_1\n\xFF\n").unwrap_err(), "line 2: is not UTF-8");
        let open = format!("payment_id,note\npay_1,\"{}", "x\n".repeat(LINE_BYTES_MAX));
        assert!(read(open.as_bytes()).unwrap_err().contains("is a quote not closed?"));
    }
}
