//! The closest known word to a misspelt one.

/// The word of `known` that is closest to `word`, if one is close enough to be meant.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let chars: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let limit = 1 + chars.len() / 4;
    known
        .map(|k| (distance(&chars, k), k))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Edits (insertion, deletion, replacement, swap of neighbours) between two words, case ignored.
fn distance(a: &[char], word: &str) -> usize {
    let b: Vec<char> = word.to_lowercase().chars().collect();
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_word_and_strangers_do_not() {
        let known = ["container", "environ", "volumes", "run"];
        let find = |w| closest(w, known.iter().copied());
        assert_eq!(find("contianer"), Some("container"));
        assert_eq!(find("enviorn"), Some("environ"));
        assert_eq!(find("rum"), Some("run"));
        assert_eq!(find("Volume"), Some("volumes"));
        assert_eq!(find("colour"), None);
        assert_eq!(find("foo"), None);
    }
}
