//! What somebody may have meant.

/// The word that is nearest to `text`, when one is near enough to be what was meant.
pub(crate) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // A third of the word may be wrong: more, and the suggestion would be a guess.
    let bound = text.chars().count().div_ceil(3).max(1);
    words
        .map(|word| (strsim::levenshtein(text, word), word))
        .filter(|(d, _)| *d <= bound)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_suggested_and_what_is_not_is_not() {
        assert_eq!(nearest("quorom", ["quorum", "family"].into_iter()), Some("quorum"));
        assert_eq!(nearest("zzzzzz", ["quorum", "family"].into_iter()), None);
    }
}
