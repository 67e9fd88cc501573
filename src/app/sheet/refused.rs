//! The rows that were refused, to hand back: a file beside the spreadsheet, with the same columns, the row's number, what
//! is wrong and what to do. It can be mended and imported by itself.
//!
//! A cell that begins like a formula gets an apostrophe, because whoever opens the file must not run what a stranger
//! typed; reading takes it off again.

use super::RowProblem;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The last headings of such a file; how it is told from a person's own.
const OURS: [&str; 3] = ["row", "problem", "what to do"];

fn is_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n')
}

/// A cell that no spreadsheet program takes for a formula; [`bare`] undoes it.
pub fn neutral(cell: &str) -> String {
    let mut characters = cell.chars();
    let quoted = match characters.next() {
        Some('\'') => characters.next().is_some_and(|c| is_formula(c) || c == '\''),
        Some(first) => is_formula(first),
        None => false,
    };
    if quoted { format!("'{cell}") } else { cell.to_owned() }
}

/// A cell as it was before [`neutral`].
pub(super) fn bare(cell: &str) -> &str {
    let rest = cell.strip_prefix('\'').filter(|rest| rest.starts_with(|c| is_formula(c) || c == '\''));
    rest.unwrap_or(cell)
}

/// Such a file while it is written.
#[derive(Debug)]
pub struct RefusedRows {
    path: PathBuf,
    open: Option<(csv::Writer<BufWriter<File>>, PathBuf)>,
    /// Why it could not be written.
    pub failure: Option<io::Error>,
}

impl RefusedRows {
    /// Will write to `path`. An error where something else stands there.
    pub fn at(path: PathBuf) -> io::Result<Self> {
        if fs::symlink_metadata(&path).is_ok() && !is_ours(&path) {
            return Err(io::Error::other("it is there already, and is no report of refused rows"));
        }
        Ok(Self { path, open: None, failure: None })
    }

    /// Adds a row. The first one makes the file.
    pub fn add(&mut self, headings: &[String], cells: &[String], problems: &[RowProblem]) {
        if self.failure.is_none()
            && let Err(error) = self.write(headings, cells, problems)
        {
            self.failure = Some(error);
        }
    }

    fn write(&mut self, headings: &[String], cells: &[String], problems: &[RowProblem]) -> io::Result<()> {
        let is_kept = |at: &usize| headings.get(*at).is_none_or(|h| !OURS.contains(&h.to_lowercase().as_str()));
        let kept: Vec<usize> = (0..headings.len()).filter(is_kept).collect();
        if self.open.is_none() {
            let mut writer = create(&self.path)?;
            let words = kept.iter().filter_map(|at| headings.get(*at)).map(|word| neutral(word));
            writer.0.write_record(words.chain(OURS.map(str::to_owned)))?;
            self.open = Some(writer);
        }
        let Some((writer, _)) = &mut self.open else { return Ok(()) };
        let cells_beyond = cells.get(headings.len()..).unwrap_or_default();
        let cells = kept.iter().map(|at| neutral(cells.get(*at).map_or("", String::as_str)));
        let line = problems.first().map_or(0, |p| p.line).to_string();
        let said = |what: fn(&RowProblem) -> &str| problems.iter().map(what).collect::<Vec<_>>().join("; ");
        // What stood beyond the headings still does: such a row is no better than it was.
        let beyond = cells_beyond.iter().map(|cell| neutral(cell));
        writer.write_record(cells.chain([line, said(|p| &p.message), said(|p| &p.advice)]).chain(beyond))?;
        Ok(())
    }

    /// Puts the file in its place; where no row was refused, an earlier one is taken away. Where it is now.
    pub fn finish(mut self) -> io::Result<Option<PathBuf>> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let Some((writer, new)) = self.open.take() else {
            if is_ours(&self.path) {
                fs::remove_file(&self.path)?;
            }
            return Ok(None);
        };
        let mut file = writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
        file.flush()?;
        fs::rename(&new, &self.path)?;
        Ok(Some(std::mem::take(&mut self.path)))
    }
}

impl Drop for RefusedRows {
    fn drop(&mut self) {
        if let Some((_, new)) = self.open.take() {
            let _ = fs::remove_file(new); // half a report says nothing
        }
    }
}

/// A file that only its owner may read, as spreadsheet programs like it: UTF-8 with its mark, lines that end in CRLF.
pub(in crate::app) fn private_csv(path: &Path) -> io::Result<csv::Writer<BufWriter<File>>> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    file.write_all("\u{feff}".as_bytes())?;
    Ok(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(file))
}

fn create(path: &Path) -> io::Result<(csv::Writer<BufWriter<File>>, PathBuf)> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or_else(|| io::Error::other("this is no name of a file"))?);
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    Ok((private_csv(&new)?, new))
}

/// Did we write it? A link is not followed.
fn is_ours(path: &Path) -> bool {
    let first = || -> io::Result<String> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(String::new());
        }
        let mut line = Vec::new();
        io::Read::take(BufReader::new(File::open(path)?), 64 * 1024).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    };
    first().is_ok_and(|line| line.starts_with('\u{feff}') && line.trim_end().ends_with(&OURS.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apostrophe_keeps_formulas_from_running_and_comes_off_again() {
        for cell in [
            "=1+1", "\n=1+1", "+44 7700 900123", "-", "@x", "\tx", "'", "''", "'=x", "'t Hooft", "''=x", "plain", "",
            "0'=", "-5",
        ] {
            let safe = neutral(cell);
            assert!(!safe.starts_with(is_formula), "{cell:?}");
            assert_eq!(bare(&safe), cell);
        }
        assert_eq!(neutral("'t Hooft"), "'t Hooft");
        assert_eq!(bare("'07700 900123"), "'07700 900123", "what Excel put there is the phone parser's");
    }

    #[test]
    fn a_report_replaces_only_a_report() {
        let folder = std::env::temp_dir().join(format!("ringround-refused-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("parents.csv.refused.csv");
        fs::write(&path, "row,problem,what to do\r\n").unwrap();
        assert!(RefusedRows::at(path.clone()).is_err(), "without the mark it is a person's");
        fs::remove_file(&path).unwrap();
        let headings = ["phone".to_owned(), "row".to_owned()];
        let problem = RowProblem {
            line: 7,
            place: "row 7".into(),
            column: "phone".into(),
            code: "x",
            value: String::new(),
            message: "m".into(),
            advice: "a".into(),
        };
        for _ in 0..2 {
            let mut rows = RefusedRows::at(path.clone()).unwrap();
            rows.add(&headings, &["=x".to_owned(), "3".to_owned()], std::slice::from_ref(&problem));
            assert_eq!(rows.finish().unwrap(), Some(path.clone()));
            assert_eq!(fs::read_to_string(&path).unwrap(), "\u{feff}phone,row,problem,what to do\r\n'=x,7,m,a\r\n");
        }
        assert_eq!(RefusedRows::at(path.clone()).unwrap().finish().unwrap(), None);
        assert!(!path.exists(), "nothing is refused any more");
        fs::remove_dir_all(&folder).unwrap();
    }
}
