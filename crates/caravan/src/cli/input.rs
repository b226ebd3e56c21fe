//! Lines of a file or of standard input, in chunks, as they come.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc;

use super::failure::Failure;

/// The longest line that is read. A record is refused by its worker at far less, but it is kept.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;
/// Lines of a chunk.
const CHUNK_LINES_MAX: usize = 500;
/// Bytes of a chunk; a longer line is a chunk of its own.
const CHUNK_BYTES_MAX: usize = 4 << 20;
/// What is read at once.
const BUFFER_BYTES: usize = 1 << 20;
/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 2;
/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Some lines, without their line feeds and without blank ones.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// The lines.
    pub(crate) lines: Vec<Vec<u8>>,
    /// How far the input was read with them, in bytes from its beginning.
    pub(crate) bytes_read: u64,
}

/// Lines on their way in. They are read by a thread of their own: standard input may be slow.
pub(crate) struct Lines {
    chunks: mpsc::Receiver<Result<Chunk, String>>,
    bytes: Option<u64>,
}

impl Lines {
    /// Opens a file, or standard input if it is named `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let (input, bytes): (Box<dyn Read + Send>, _) = if path == Path::new(STANDARD_INPUT) {
            (Box::new(std::io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
            if metadata.is_dir() {
                return Err(Failure::usage(format!("{} is a directory, not a file", path.display())));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let (send, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let mut chunker = Chunker::new(BufReader::with_capacity(BUFFER_BYTES, input));
        std::thread::spawn(move || {
            while let Some(chunk) = chunker.next_chunk() {
                if send.blocking_send(chunk).is_err() {
                    break;
                }
            }
        });
        Ok(Self { chunks, bytes })
    }

    /// How long the input is, if that is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The next lines, as soon as there are some.
    pub(crate) async fn next(&mut self) -> Option<Result<Chunk, String>> {
        self.chunks.recv().await
    }
}

/// The whole content of a file of at most `bytes_max`, or of standard input.
pub(crate) fn whole(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path == Path::new(STANDARD_INPUT) {
        std::io::stdin().take(bytes_max + 1).read_to_end(&mut content)
    } else {
        File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut content))
    };
    read.map_err(|error| unreadable(path, &error))?;
    if content.len() as u64 > bytes_max {
        return Err(Failure::work(format!("{} is larger than {bytes_max} bytes", path.display())));
    }
    Ok(content)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::work(format!("can't read {}: {error}", path.display()))
}

struct Chunker<R> {
    input: R,
    line_number: u64,
    bytes_read: u64,
    ended: bool,
    failure: Option<String>,
}

impl<R: Read> Chunker<BufReader<R>> {
    fn new(input: BufReader<R>) -> Self {
        Self { input, line_number: 0, bytes_read: 0, ended: false, failure: None }
    }

    /// A chunk ends when it is full, or when to wait for more would hold up what is there.
    fn next_chunk(&mut self) -> Option<Result<Chunk, String>> {
        let (mut chunk, mut bytes) = (Chunk::default(), 0);
        while !self.ended {
            match self.next_line() {
                Err(problem) => {
                    self.ended = true;
                    self.failure = Some(problem);
                    break;
                }
                Ok(line) if line.is_empty() => {}
                Ok(line) => {
                    bytes += line.len();
                    chunk.lines.push(line);
                }
            }
            let full = chunk.lines.len() >= CHUNK_LINES_MAX || bytes >= CHUNK_BYTES_MAX;
            let would_wait = self.input.buffer().is_empty() && !chunk.lines.is_empty();
            if full || would_wait {
                break;
            }
        }
        if chunk.lines.is_empty() {
            return self.failure.take().map(Err);
        }
        chunk.bytes_read = self.bytes_read;
        Some(Ok(chunk))
    }

    /// The next line without its line feed; empty if it is blank or if the input has ended.
    fn next_line(&mut self) -> Result<Vec<u8>, String> {
        self.line_number += 1;
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut line);
        let read = read.map_err(|error| format!("can't read line {}: {error}", self.line_number))?;
        self.bytes_read += read as u64;
        self.ended = read == 0;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LINE_BYTES_MAX {
            return Err(format!("line {} is longer than {LINE_BYTES_MAX} bytes", self.line_number));
        }
        Ok(if line.trim_ascii().is_empty() { Vec::new() } else { line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(input: &[u8]) -> Vec<Result<Vec<Vec<u8>>, String>> {
        let mut chunker = Chunker::new(BufReader::with_capacity(BUFFER_BYTES, input));
        std::iter::from_fn(|| chunker.next_chunk()).map(|chunk| chunk.map(|chunk| chunk.lines)).collect()
    }

    fn lines(input: &[u8]) -> Vec<Vec<u8>> {
        chunks(input).into_iter().flat_map(Result::unwrap).collect()
    }

    #[test]
    fn lines_stay_as_they_are_and_blank_ones_are_skipped() {
        assert_eq!(lines(b"a \n\n \t\r\nb\r\n\xFF\xFE\nlast"), [&b"a "[..], b"b\r", b"\xFF\xFE", b"last"]);
        assert!(lines(b"").is_empty() && lines(b"\n\n\n").is_empty());
    }

    #[test]
    fn chunks_are_bounded_in_lines_and_bytes() {
        let many = b"x\n".repeat(CHUNK_LINES_MAX * 2 + 1);
        let sizes: Vec<usize> = chunks(&many).into_iter().map(|chunk| chunk.unwrap().len()).collect();
        assert_eq!(sizes, [CHUNK_LINES_MAX, CHUNK_LINES_MAX, 1]);
        let large = [vec![b'x'; CHUNK_BYTES_MAX], vec![b'y'; 10]].join(&b'\n');
        assert_eq!(lines(&large).len(), 2);
        assert_eq!(chunks(&large).len(), 2);
    }

    #[test]
    fn a_line_beyond_the_limit_is_named_and_what_came_before_is_not_lost() {
        let mut input = b"first\n\n".to_vec();
        input.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
        let mut found = chunks(&input);
        assert!(found.pop().unwrap().unwrap_err().starts_with("line 3 is longer than 16777216 bytes"));
        input.truncate("first\n\n".len() + LINE_BYTES_MAX);
        assert_eq!(lines(&input).len(), 2);
    }
}
