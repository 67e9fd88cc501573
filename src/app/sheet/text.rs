//! Rows of a sheet that was saved as text (.csv, .tsv), read block by block: memory does not grow with the file.
//!
//! Two passes. The first finds out what the bytes are, and counts; the second reads. Rows are cut here and not by a CSV
//! reader, because its line numbers go wrong after blank lines and CRLF, and a quote that is never closed swallows the
//! rest without a word.

use super::{Input, RawRow, Wrong};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;
/// No row that somebody wrote is longer, in bytes of UTF-8.
const LONGEST_ROW: usize = 256 * 1024;
/// A quoted cell longer than this, or with more line breaks, was never meant: its quote was not closed.
const LONGEST_CELL: usize = 16 * 1024;
const MOST_BREAKS: usize = 40;

/// What the first pass finds out.
#[derive(Debug)]
pub(super) struct Survey {
    encoding: &'static Encoding,
    pub(super) hash: String,
    pub(super) lines: u64,
    /// Lines end as they did on old Macs.
    lone_cr: bool,
}

impl Survey {
    /// The encoding, where it is not UTF-8.
    pub(super) fn unusual(&self) -> Option<&'static str> {
        match self.encoding.name() {
            "UTF-8" => None,
            "windows-1252" => Some("Windows-1252"),
            name => Some(name),
        }
    }
}

/// Reads all of it once: by byte order mark, else UTF-16 by its zeros, else UTF-8 if it is, else Windows-1252, which any
/// bytes are.
pub(super) fn survey(input: &mut Input) -> io::Result<Survey> {
    input.seek(SeekFrom::Start(0))?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; BLOCK]);
    let (mut feeds, mut returns, mut marked, mut begun) = (0, 0, None, false);
    let mut strict = Some(UTF_8.new_decoder_without_bom_handling());
    let mut into = String::with_capacity(3 * BLOCK + 16);
    loop {
        let read = input.read(&mut block)?;
        let bytes = &block[..read];
        if !begun {
            marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding).or_else(|| by_zeros(bytes));
            begun = true;
        }
        hash.update(bytes);
        for byte in bytes {
            feeds += u64::from(*byte == b'\n');
            returns += u64::from(*byte == b'\r');
        }
        if let Some(decoder) = &mut strict {
            into.clear();
            let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut into, read == 0);
            if matches!(result, DecoderResult::Malformed(..)) {
                strict = None;
            }
        }
        if read == 0 {
            break;
        }
    }
    let otherwise = if strict.is_some() { UTF_8 } else { WINDOWS_1252 };
    let hash = hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
    let lone_cr = feeds == 0 && returns > 0;
    let lines = feeds.max(if lone_cr { returns } else { 0 });
    Ok(Survey { encoding: marked.unwrap_or(otherwise), hash, lines, lone_cr })
}

/// UTF-16 without a mark: headings are ASCII, so that every other byte is zero.
fn by_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(UTF_16LE),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// The second pass.
pub(super) struct TextRows {
    input: Input,
    decoder: Decoder,
    block: Vec<u8>,
    /// Decoded, and not yet cut into rows from `at` on.
    text: String,
    at: usize,
    ended: bool,
    lone_cr: bool,
    /// The row that comes next.
    line: u64,
    /// Known once the headings have been read.
    delimiter: Option<u8>,
}

impl std::fmt::Debug for TextRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextRows(row {})", self.line)
    }
}

/// Where a row ends.
enum End {
    /// Before this byte, or at the end of the text.
    At(usize),
    /// A quote in it is never closed.
    Unclosed,
    /// Not in what has been read so far.
    Beyond,
}

/// A row's number, where it stands in the text, and what is wrong with it.
type Cut = (u64, std::ops::Range<usize>, Option<Wrong>);

impl TextRows {
    pub(super) fn new(mut input: Input, survey: &Survey) -> io::Result<Self> {
        input.seek(SeekFrom::Start(0))?;
        let decoder = survey.encoding.new_decoder_with_bom_removal();
        let (block, text, lone_cr) = (vec![0; BLOCK], String::new(), survey.lone_cr);
        Ok(Self { input, decoder, block, text, at: 0, ended: false, lone_cr, line: 1, delimiter: None })
    }

    /// The headings, and with them the delimiter: Excel's own `sep=` line says it, else whatever stands most often.
    pub(super) fn heading(&mut self) -> io::Result<Option<RawRow>> {
        loop {
            let Some((line, range, wrong)) = self.cut()? else { return Ok(None) };
            let text = &self.text[range];
            let said = text.get(..4).filter(|t| t.eq_ignore_ascii_case("sep=")).and(text.as_bytes().get(4));
            if let Some(delimiter) = said.filter(|_| text.len() == 5) {
                self.delimiter = Some(*delimiter);
                self.line = 1; // the spreadsheet program does not show that line
                continue;
            }
            if text.trim_matches([' ', '\t', ',', ';', '\u{feff}']).is_empty() {
                continue;
            }
            let count = |c: u8| text.bytes().filter(|b| *b == c).count();
            let usual = [b'|', b'\t', b';', b','].into_iter().max_by_key(|c| count(*c)).unwrap_or(b',');
            let delimiter = *self.delimiter.get_or_insert(usual);
            return Ok(Some(RawRow { line, cells: cells(text, delimiter), wrong }));
        }
    }

    /// The next row, blank ones too.
    pub(super) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        let Some((line, range, wrong)) = self.cut()? else { return Ok(None) };
        let delimiter = self.delimiter.unwrap_or(b',');
        let cells = if wrong == Some(Wrong::TooLong) { Vec::new() } else { cells(&self.text[range], delimiter) };
        Ok(Some(RawRow { line, cells, wrong }))
    }

    /// Cuts one row off.
    fn cut(&mut self) -> io::Result<Option<Cut>> {
        loop {
            if self.at >= self.text.len() && self.ended {
                return Ok(None);
            }
            let rest = &self.text.as_bytes()[self.at..];
            let (length, wrong) = match end(rest, self.delimiter, self.ended) {
                End::At(length) => (length, None),
                End::Unclosed => (rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()), Some(Wrong::Unclosed)),
                End::Beyond if rest.len() > LONGEST_ROW => {
                    self.skip_line()?;
                    self.line += 1;
                    return Ok(Some((self.line - 1, self.at..self.at, Some(Wrong::TooLong))));
                }
                End::Beyond => {
                    self.read_more()?;
                    continue;
                }
            };
            let range = self.at..self.at + trimmed_return(&rest[..length]);
            self.at += length + 1;
            self.line += 1;
            return Ok(Some((self.line - 1, range, wrong)));
        }
    }

    /// Goes behind the next line break, keeping nothing.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(found) = self.text[self.at..].find('\n') {
                self.at += found + 1;
                return Ok(());
            }
            self.at = self.text.len();
            if self.ended {
                return Ok(());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.text.drain(..self.at);
        self.at = 0;
        let read = self.input.read(&mut self.block)?;
        self.ended = read == 0;
        let room = self.decoder.max_utf8_buffer_length(read).unwrap_or(3 * BLOCK + 16);
        self.text.reserve(room);
        let before = self.text.len();
        let (_, _, _) = self.decoder.decode_to_string(&self.block[..read], &mut self.text, self.ended);
        // PostgreSQL can't keep U+0000, and no cell means it.
        if self.text.as_bytes()[before..].contains(&0) {
            let clean = self.text.split_off(before).replace('\0', "\u{fffd}");
            self.text.push_str(&clean);
        }
        if self.lone_cr {
            let lines = self.text.split_off(before).replace('\r', "\n");
            self.text.push_str(&lines);
        }
        Ok(())
    }
}

/// The length without a carriage return at the end.
fn trimmed_return(row: &[u8]) -> usize {
    row.strip_suffix(b"\r").unwrap_or(row).len()
}

/// Where the first row of `text` ends. A quote opens only at the beginning of a cell; inside quotes a line break is data.
/// `last`: nothing comes after `text`.
fn end(text: &[u8], delimiter: Option<u8>, last: bool) -> End {
    let parts = |b: u8| delimiter.map_or(matches!(b, b',' | b';' | b'\t' | b'|'), |d| d == b);
    let (mut cell_start, mut at) = (true, 0);
    while at < text.len() {
        let byte = text[at];
        if byte == b'"' && cell_start {
            let (mut breaks, opened) = (0, at);
            loop {
                at += 1;
                match text.get(at) {
                    None if last => return End::Unclosed,
                    None => return if at - opened > LONGEST_CELL { End::Unclosed } else { End::Beyond },
                    Some(b'"') if text.get(at + 1) == Some(&b'"') => at += 1,
                    Some(b'"') => break,
                    Some(b'\n') => breaks += 1,
                    Some(_) => {}
                }
                if breaks > MOST_BREAKS || at - opened > LONGEST_CELL {
                    return End::Unclosed;
                }
            }
            // A quote that closes in front of a word, lines later, is the opening one of another cell.
            match text.get(at + 1) {
                None if !last => return End::Beyond,
                Some(next) if breaks > 0 && !parts(*next) && !matches!(next, b'\r' | b'\n' | b' ') => {
                    return End::Unclosed;
                }
                _ => {}
            }
            cell_start = false;
        } else if byte == b'\n' {
            return End::At(at);
        } else if byte == b'\r' {
            match text.get(at + 1) {
                None if !last => return End::Beyond,
                // Alone it ends a row as well, in a file that somebody has glued together.
                Some(next) if *next != b'\n' => return End::At(at),
                _ => cell_start = false,
            }
        } else {
            cell_start = parts(byte);
        }
        at += 1;
    }
    if last { End::At(text.len()) } else { End::Beyond }
}

/// The cells of one row.
fn cells(row: &str, delimiter: u8) -> Vec<String> {
    let delimiter = char::from(delimiter);
    let (mut cells, mut cell, mut quoted, mut start) = (Vec::new(), String::new(), false, true);
    let mut characters = row.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if start => quoted = true,
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            c if c == delimiter && !quoted => {
                cells.push(std::mem::take(&mut cell));
                start = true;
                continue;
            }
            c => cell.push(c),
        }
        start = false;
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
