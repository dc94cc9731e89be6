//! Reads Rust source just well enough to tell code from comments, strings and tests.

/// The code with comments, strings and character literals blanked out; lines keep their numbers.
pub(crate) fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest, out.chars().next_back());
        match skipped.and_then(|length| rest.split_at_checked(length)) {
            Some((blank, after)) => {
                out.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = after;
            }
            None => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// Bytes of the comment or literal that starts here, if one does.
fn literal_or_comment(text: &str, before: Option<char>) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(length) = raw_string(text) {
        return Some(length);
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    // 'a' and '\n' are characters, 'a in a generic is a lifetime.
    let mut chars = text.chars();
    if chars.next() == Some('\'') {
        let (second, third) = (chars.next()?, chars.next());
        if second == '\\' || third == Some('\'') {
            return Some(quoted(text, '\''));
        }
    }
    None
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => break,
            }
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Code (as from [`code_only`]) with every item under `#[cfg(test)]` blanked out.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        let end = item_end(after);
        let (item, after) = after.split_at_checked(end).unwrap_or((after, ""));
        out.extend(item.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the item that starts here ends: at its `;`, or at the brace that closes its first one.
fn item_end(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Modules that are declared as tests and live in a file of their own: `#[cfg(test)] mod name;`.
pub(crate) fn test_modules(code: &str) -> Vec<String> {
    code.split("#[cfg(test)]")
        .skip(1)
        .filter_map(|after| {
            let (item, _) = after.split_at_checked(item_end(after))?;
            let (_, name) = item.split_once("mod ")?;
            name.trim().strip_suffix(';').map(|name| name.trim().to_owned())
        })
        .collect()
}

/// Identifiers of a line with what stands before each of them.
pub(crate) fn identifiers(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = line.get(at..)?;
        let start = at + rest.find(|c: char| c.is_alphanumeric() || c == '_')?;
        let word = line.get(start..)?;
        let length = word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len());
        at = start + length;
        Some((line.get(..start)?, line.get(start..at)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l 'm' n\n<'o>";
        let code = code_only(text);
        let words: Vec<&str> = identifiers(&code).map(|(_, word)| word).collect();
        assert_eq!(words, ["a", "e", "i", "l", "n", "o"]);
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn test_items_go_and_what_follows_them_stays() {
        let code =
            "use a;\n#[cfg(test)]\nmod tests {\n  fn x() { b(); }\n}\nuse c;\n#[cfg(test)] mod d;\nuse e;\n";
        let kept = without_tests(code);
        assert!(kept.contains("use a") && kept.contains("use c") && kept.contains("use e"));
        assert!(!kept.contains('b') && !kept.contains("mod d"));
        assert_eq!(kept.lines().position(|line| line.contains("use c")), Some(5));
        assert_eq!(test_modules(code), ["d"]);
    }

    #[test]
    fn unfinished_text_ends_and_does_not_loop() {
        for text in ["/* a", "\"a", "r#\"a", "'\\", "#[cfg(test)] mod x {"] {
            without_tests(&code_only(text));
        }
    }
}
