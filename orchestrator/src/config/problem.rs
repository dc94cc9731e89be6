//! What is wrong with a configuration, said so that a stranger can put it right.
//!
//! A problem has a code with a page in `docs/errors`, a place in the file, a cause and a fix. Nothing stops at the
//! first one: a reader collects them all.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Codes of problems that a configuration can have. Each has a page `docs/errors/<code>.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Not TOML.
    Syntax,
    /// A key that nothing reads.
    UnknownKey,
    /// A key that must be there.
    MissingKey,
    /// Another type than the key takes.
    WrongType,
    /// Outside the allowed range or choices.
    NotAllowed,
    /// Not an identifier.
    BadName,
    /// A name that is taken.
    Duplicate,
    /// A name that nothing has.
    UnknownName,
    /// Not an account, token or contract address of its chain.
    BadAddress,
    /// An address whose capitals do not fit it.
    WrongChecksum,
    /// An event mapping that does not work.
    BadMapping,
    /// Not a URL that an endpoint can have.
    BadUrl,
    /// A file that cannot be read.
    Unreadable,
    /// A secret in the configuration itself.
    InlineSecret,
    /// A quorum that cannot be reached.
    BadQuorum,
    /// A bridge that lacks something without which nothing can be matched.
    IncompleteBridge,
    /// A mode that asks for something which is not configured.
    ModeWithoutMeans,
    /// An API without authentication that others could reach.
    ExposedApi,
    /// A family of chains that this build does not have.
    UnknownFamily,
    /// A class of action that no playbook allows.
    NoPlaybook,
    /// A keystore that does not open.
    BadSigner,
    /// An adapter that cannot be built on this machine.
    NoAdapter,
    /// What the engine itself refuses.
    EngineRefuses,
}

impl Code {
    /// All codes, in order.
    pub const ALL: [Self; 23] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::NotAllowed,
        Self::BadName,
        Self::Duplicate,
        Self::UnknownName,
        Self::BadAddress,
        Self::WrongChecksum,
        Self::BadMapping,
        Self::BadUrl,
        Self::Unreadable,
        Self::InlineSecret,
        Self::BadQuorum,
        Self::IncompleteBridge,
        Self::ModeWithoutMeans,
        Self::ExposedApi,
        Self::UnknownFamily,
        Self::NoPlaybook,
        Self::BadSigner,
        Self::NoAdapter,
        Self::EngineRefuses,
    ];

    /// The code as it is printed and documented.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "PC-0101",
            Self::UnknownKey => "PC-0102",
            Self::MissingKey => "PC-0103",
            Self::WrongType => "PC-0104",
            Self::NotAllowed => "PC-0105",
            Self::BadName => "PC-0106",
            Self::Duplicate => "PC-0107",
            Self::UnknownName => "PC-0108",
            Self::BadAddress => "PC-0109",
            Self::WrongChecksum => "PC-0110",
            Self::BadMapping => "PC-0111",
            Self::BadUrl => "PC-0112",
            Self::Unreadable => "PC-0113",
            Self::InlineSecret => "PC-0114",
            Self::BadQuorum => "PC-0115",
            Self::IncompleteBridge => "PC-0116",
            Self::ModeWithoutMeans => "PC-0117",
            Self::ExposedApi => "PC-0118",
            Self::UnknownFamily => "PC-0119",
            Self::NoPlaybook => "PC-0120",
            Self::BadSigner => "PC-0121",
            Self::NoAdapter => "PC-0122",
            Self::EngineRefuses => "PC-0123",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Whether the configuration can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should know.
    Warning,
}

/// Where in the file, counted from 1; columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Number of characters concerned on that line, at least 1.
    pub width: usize,
    /// The line itself.
    pub excerpt: String,
}

impl Place {
    /// Finds the place of a byte range of a source. A range past its end stands for the last character.
    #[must_use]
    pub fn find(source: &str, span: &std::ops::Range<usize>) -> Self {
        let start = floor_boundary(source, span.start);
        let end = floor_boundary(source, span.end.max(start));
        let before = source.get(..start).unwrap_or("");
        let line = before.matches('\n').count().saturating_add(1);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = source.get(line_start..).unwrap_or("");
        let excerpt = rest.lines().next().unwrap_or("").to_owned();
        let column = source.get(line_start..start).unwrap_or("").chars().count().saturating_add(1);
        let inside = source.get(start..end).unwrap_or("").lines().next().unwrap_or("");
        Self { line, column, width: inside.chars().count().max(1), excerpt }
    }
}

fn floor_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while at > 0 && !source.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Where; none when it is about the whole file.
    pub place: Option<Place>,
    /// What is wrong and why, one sentence.
    pub what: String,
    /// What to do, one sentence.
    pub fix: String,
}

/// Everything that is wrong with one file, in order of place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// In order of place.
    pub list: Vec<Problem>,
}

impl Problems {
    /// How many are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Error).count()
    }

    /// Problems of a file, sorted by place; those without a place come first.
    #[must_use]
    pub fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|p| (p.place.as_ref().map(|at| (at.line, at.column)), p.code));
        list.dedup();
        Self { file: file.to_owned(), list }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            write_problem(f, &self.file, problem)?;
        }
        let (errors, all) = (self.errors(), self.list.len());
        let warnings = all.saturating_sub(errors);
        write!(f, "{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn write_problem(f: &mut fmt::Formatter<'_>, file: &Path, problem: &Problem) -> fmt::Result {
    let word = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(f, "{word}[{}]: {}", problem.code, problem.what)?;
    let Some(at) = &problem.place else {
        writeln!(f, "  --> {}", file.display())?;
        return writeln!(f, "   = fix: {}\n", problem.fix);
    };
    let gutter = " ".repeat(at.line.to_string().len());
    writeln!(f, "{gutter} --> {}:{}:{}", file.display(), at.line, at.column)?;
    writeln!(f, "{gutter} |")?;
    writeln!(f, "{} | {}", at.line, at.excerpt)?;
    // Tabs of the excerpt are kept in the margin, so that the mark stands under its text whatever a tab's width.
    let margin: String = at
        .excerpt
        .chars()
        .take(at.column.saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    writeln!(f, "{gutter} | {margin}{}", "^".repeat(at.width))?;
    writeln!(f, "{gutter} = fix: {}\n", problem.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = "a = 1\nné = \"x\"\n";
        let start = source.find("\"x\"").unwrap();
        let place = Place::find(source, &(start..start + 3));
        assert_eq!((place.line, place.column, place.width), (2, 6, 3));
        assert_eq!(place.excerpt, "né = \"x\"");
    }

    #[test]
    fn a_place_past_the_end_or_inside_a_character_is_still_a_place() {
        let source = "né";
        let inside = Place::find(source, &(2..3));
        assert_eq!((inside.line, inside.column), (1, 2));
        let past = Place::find(source, &(90..95));
        assert_eq!((past.line, past.column, past.width), (1, 3, 1));
        assert_eq!(Place::find("", &(0..0)).column, 1);
    }

    #[test]
    fn codes_are_distinct_and_ascend() {
        let texts: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, texts);
    }

    #[test]
    fn the_mark_stands_under_its_text() {
        let source = "[api]\n\tlisten = 5\n";
        let at = source.find('5').unwrap();
        let problem = Problem {
            code: Code::WrongType,
            severity: Severity::Error,
            place: Some(Place::find(source, &(at..at + 1))),
            what: "w".into(),
            fix: "f".into(),
        };
        let text = Problems::new(Path::new("x.toml"), vec![problem]).to_string();
        assert!(text.contains("2 | \tlisten = 5\n  | \t         ^\n"), "{text}");
        assert!(text.ends_with("1 error, 0 warnings"), "{text}");
    }
}
