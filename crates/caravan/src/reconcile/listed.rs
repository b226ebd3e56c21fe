//! Payments as a shop lists them: CSV with a header, JSON lines, or ids alone; read as they come.

use std::io::{BufRead, Cursor, Read};

use caravan_domain::event::ID_CHARS_MAX;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

/// The longest line that is read of JSON lines and of ids.
const LINE_BYTES_MAX: usize = 64 << 10;
const BYTE_ORDER_MARK: &str = "\u{feff}";
const PAYMENT_ID: &str = "payment_id";
/// What is read of a payment; other fields are passed over.
const FIELDS: [&str; 5] = [PAYMENT_ID, "item", "amount_minor", "currency", "paid_at"];

/// A payment that the shop lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The line, from 1.
    pub line: u64,
    /// The payment's id.
    pub payment_id: String,
    /// Which of several purchases of the payment.
    pub item: Option<String>,
    /// What was paid, in the currency's smallest unit.
    pub amount_minor: Option<i64>,
    /// The ISO 4217 code.
    pub currency: Option<String>,
    /// When it was paid, as the shop says.
    pub paid_at: Option<String>,
}

/// A shop's list on its way in.
pub struct Listing {
    kind: Kind,
}

enum Kind {
    Csv { reader: Box<csv::Reader<Box<dyn Read + Send>>>, columns: [Option<usize>; FIELDS.len()], fields: usize },
    Lines { input: Box<dyn BufRead + Send>, number: u64, json: bool },
}

impl Listing {
    /// Begins to read; how the list is written is told by its first line.
    ///
    /// # Errors
    /// Names the line and the field.
    pub fn new(mut input: Box<dyn BufRead + Send>) -> Result<Self, String> {
        let mut head = Vec::new();
        // Blank lines in front belong to nobody, and count.
        let mut blank = 0;
        while let Some(line) = next_line(&mut input, blank + 1)? {
            head.extend_from_slice(&line);
            if !line.trim_ascii().is_empty() {
                break;
            }
            blank += 1;
        }
        let text = std::str::from_utf8(&head).map_err(|_| format!("line {}: is not UTF-8", blank + 1))?;
        let first = text.trim_start().trim_start_matches(BYTE_ORDER_MARK).trim();
        let kind = if names_payment_id(first) {
            let rest = Cursor::new(format!("{}{first}\n", "\n".repeat(usize::try_from(blank).unwrap_or(0))));
            csv_of(Box::new(rest.chain(input)))?
        } else {
            let json = first.starts_with('{');
            if !json && first.contains(',') {
                return Err(format!(
                    "line {}: {PAYMENT_ID} is named by no column of this header: {first:?}",
                    blank + 1
                ));
            }
            let head = text.trim_start_matches(BYTE_ORDER_MARK).to_owned();
            Kind::Lines { input: Box::new(Cursor::new(head).chain(input)), number: 0, json }
        };
        Ok(Self { kind })
    }

    /// The next payments, at most so many; none at the end.
    ///
    /// # Errors
    /// Names the line and the field.
    pub fn page(&mut self, limit: usize) -> Result<Vec<Listed>, String> {
        let mut page = Vec::new();
        while page.len() < limit {
            match self.next()? {
                Some(listed) => page.push(listed),
                None => break,
            }
        }
        Ok(page)
    }

    fn next(&mut self) -> Result<Option<Listed>, String> {
        match &mut self.kind {
            Kind::Csv { reader, columns, fields } => loop {
                let mut record = csv::StringRecord::new();
                let more = reader.read_record(&mut record);
                // Behind the record's line feed. Where a record begins is only known before blank lines are passed over.
                let behind = reader.position().line();
                let more = more.map_err(|error| csv_problem(behind.saturating_sub(1), &error))?;
                if !more {
                    return Ok(None);
                }
                let within = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count() as u64;
                let line = behind.saturating_sub(1 + within);
                if record.len() == 1 && record[0].trim().is_empty() {
                    continue;
                }
                if record.len() != *fields {
                    return Err(format!("line {line}: must have {fields} fields as the header, has {}", record.len()));
                }
                let field = |at: usize| columns[at].and_then(|column| record.get(column)).map(str::trim);
                let texts = std::array::from_fn(|at| field(at).filter(|text| !text.is_empty()).map(str::to_owned));
                return of_texts(line, texts).map(Some);
            },
            Kind::Lines { input, number, json } => loop {
                *number += 1;
                let Some(line) = next_line(input, *number)? else { return Ok(None) };
                let text = std::str::from_utf8(&line).map_err(|_| format!("line {number}: is not UTF-8"))?.trim();
                match (text.is_empty(), *json) {
                    (true, _) => {}
                    (false, true) => return of_json(*number, text).map(Some),
                    (false, false) => {
                        return of_texts(*number, [Some(text.to_owned()), None, None, None, None]).map(Some);
                    }
                }
            },
        }
    }
}

/// The next line with its line feed; `None` at the end.
fn next_line(input: &mut Box<dyn BufRead + Send>, number: u64) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let read = input.take(limit).read_until(b'\n', &mut line).map_err(|error| format!("line {number}: {error}"))?;
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("line {number}: is longer than {LINE_BYTES_MAX} bytes"));
    }
    Ok((read > 0).then_some(line))
}

fn names_payment_id(header: &str) -> bool {
    header.split(',').any(|name| name.trim().trim_matches('"') == PAYMENT_ID)
}

/// Records end with a line feed alone, so that lines can be counted; what is left of other line ends is trimmed off.
fn csv_of(input: Box<dyn Read + Send>) -> Result<Kind, String> {
    let input: Box<dyn Read + Send> = Box::new(input.chain(Cursor::new(b"\n")));
    let mut reader =
        csv::ReaderBuilder::new().terminator(csv::Terminator::Any(b'\n')).flexible(true).from_reader(input);
    let header = reader.headers().map_err(|error| csv_problem(1, &error))?;
    let columns = FIELDS.map(|field| header.iter().position(|name| name.trim() == field));
    let fields = header.len();
    Ok(Kind::Csv { reader: Box::new(reader), columns, fields })
}

fn csv_problem(line: u64, error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => format!("line {line}: field {} is not UTF-8", err.field() + 1),
        _ => format!("line {line}: {error}"),
    }
}

fn of_json(line: u64, text: &str) -> Result<Listed, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("line {line}: is not JSON: {error}"))?;
    let Value::Object(members) = value else { return Err(format!("line {line}: must be an object")) };
    let mut texts = [const { None }; FIELDS.len()];
    for (name, found) in FIELDS.iter().zip(&mut texts) {
        *found = match members.get(*name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if *name != "amount_minor" => Some(text.clone()),
            Some(Value::Number(number)) if *name == "amount_minor" => Some(number.to_string()),
            Some(other) => {
                let kind = if *name == "amount_minor" { "a whole number" } else { "a text" };
                return Err(format!("line {line}: {name} must be {kind}, is {other}"));
            }
        };
    }
    of_texts(line, texts)
}

fn of_texts(line: u64, texts: [Option<String>; FIELDS.len()]) -> Result<Listed, String> {
    let wrong =
        |field: &str, must: &str, found: &str| Err(format!("line {line}: {field} must be {must}, is {found:?}"));
    let [payment_id, item, amount, currency, paid_at] = texts;
    let Some(payment_id) = payment_id else { return Err(format!("line {line}: {PAYMENT_ID} is missing")) };
    for (field, id) in [(PAYMENT_ID, Some(&payment_id)), ("item", item.as_ref())] {
        if let Some(id) = id.filter(|id| !(1..=ID_CHARS_MAX).contains(&id.chars().count())) {
            return wrong(field, &format!("1 to {ID_CHARS_MAX} characters"), id);
        }
    }
    let amount_minor = match amount.as_deref().map(|text| (text, text.parse::<i64>())) {
        None => None,
        Some((_, Ok(minor))) if minor >= 0 => Some(minor),
        Some((text, _)) => return wrong("amount_minor", "a whole number of the currency's smallest unit", text),
    };
    let currency = currency.map(|code| code.to_ascii_uppercase());
    if let Some(code) =
        currency.as_ref().filter(|code| code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return wrong("currency", "an ISO 4217 code such as INR", code);
    }
    let is_time = |text: &&String| text.parse::<Timestamp>().is_ok() || text.parse::<Date>().is_ok();
    if let Some(text) = paid_at.as_ref().filter(|text| !is_time(text)) {
        return wrong("paid_at", "an instant or a date, such as 2026-11-23T10:00:00Z", text);
    }
    Ok(Listed { line, payment_id, item, amount_minor, currency, paid_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Listed>, String> {
        Listing::new(Box::new(Cursor::new(text.as_bytes().to_vec())))?.page(99)
    }

    fn listed(line: u64, payment_id: &str) -> Listed {
        Listed {
            line,
            payment_id: payment_id.to_owned(),
            item: None,
            amount_minor: None,
            currency: None,
            paid_at: None,
        }
    }

    #[test]
    fn csv_json_lines_and_ids_say_the_same() {
        let whole = |line| Listed {
            item: Some("b".to_owned()),
            amount_minor: Some(100),
            currency: Some("INR".to_owned()),
            paid_at: Some("2026-11-23".to_owned()),
            ..listed(line, "pay_1")
        };
        let csv = "\u{feff}note,\"payment_id\",item,amount_minor,currency,paid_at\r\n\"a, b\",pay_1,b,100,inr,2026-11-23\r\n\n,pay_2,,,,\n";
        assert_eq!(read(csv).unwrap(), [whole(2), listed(4, "pay_2")]);
        let quoted = "\npayment_id,note\r\npay_1,\"two\r\nlines\"\r\npay_2,\r\n \r\npay_3,\"last\"";
        assert_eq!(read(quoted).unwrap(), [listed(3, "pay_1"), listed(5, "pay_2"), listed(7, "pay_3")]);
        let json = "\n{\"payment_id\": \"pay_1\", \"item\": \"b\", \"amount_minor\": 100, \"currency\": \"INR\", \"paid_at\": \"2026-11-23\"}\n\
                    {\"payment_id\": \"pay_2\", \"item\": null, \"more\": [1]}";
        assert_eq!(read(json).unwrap(), [whole(2), listed(3, "pay_2")]);
        assert_eq!(read("\u{feff}pay_1\r\n\n  pay_2 \n").unwrap(), [listed(1, "pay_1"), listed(3, "pay_2")]);
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("payment_id\n").unwrap(), []);
    }

    #[test]
    fn a_fault_is_named_by_line_and_field() {
        for (text, told) in [
            ("id,amount\n1,2\n", "line 1: payment_id is named by no column"),
            ("payment_id,amount_minor\npay_1,1\npay_2,12.50\n", "line 3: amount_minor must be a whole number"),
            ("payment_id,amount_minor\npay_1,-1\n", "line 2: amount_minor must be"),
            ("payment_id,currency\npay_1,rupees\n", "line 2: currency must be an ISO 4217 code"),
            ("payment_id,paid_at\npay_1,soon\n", "line 2: paid_at must be an instant"),
            ("payment_id,item\n,b\n", "line 2: payment_id is missing"),
            ("payment_id,item\npay_1\n", "line 2: must have 2 fields as the header, has 1"),
            ("{\"payment_id\": \"pay_1\"}\n{\"payment_id\": 7}\n", "line 2: payment_id must be a text, is 7"),
            ("{\"payment_id\": \"pay_1\", \"amount_minor\": \"1\"}\n", "line 1: amount_minor must be a whole number"),
            ("{}\n", "line 1: payment_id is missing"),
            ("{\n", "line 1: is not JSON"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.starts_with(told), "{text:?}: {problem}");
        }
        assert!(
            read(&format!("pay_1\n{}\n", "x".repeat(LINE_BYTES_MAX))).unwrap_err().starts_with("line 2: is longer")
        );
        assert!(
            read(&format!("pay_1\n{}\n", "x".repeat(201)))
                .unwrap_err()
                .starts_with("line 2: payment_id must be 1 to 200")
        );
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let ids: Vec<String> = (0..7).map(|number| format!("pay_{number}\n")).collect();
        let mut listing = Listing::new(Box::new(Cursor::new(ids.concat().into_bytes()))).unwrap();
        let sizes: Vec<usize> = (0..4).map(|_| listing.page(3).unwrap().len()).collect();
        assert_eq!(sizes, [3, 3, 1, 0]);
    }
}
