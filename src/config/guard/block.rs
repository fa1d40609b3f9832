//! Block scalars: the extent and value of literal (`|`) and folded (`>`) text with chomping and indentation
//! indicators, after YAML 1.2, chapter 8.1.

/// What follows the indicator on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Explicit indentation, 1 to 9.
    pub indent: Option<usize>,
    /// What happens to line ends at the end of the text.
    pub chomp: Chomp,
    /// Nothing but blanks follows.
    pub bare: bool,
}

/// What happens to line ends at the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chomp {
    /// One is kept.
    #[default]
    Clip,
    /// None is kept, `-`.
    Strip,
    /// All are kept, `+`.
    Keep,
}

/// A block scalar in the text.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Lines of the body, blank ones included, up to the next token.
    pub lines: Vec<&'a str>,
    /// Indentation of the content, 0 if there is none.
    pub indent: usize,
    /// The first line that does not belong to the body is indented by this; `None` at the end of the text.
    pub next_indent: Option<usize>,
    /// Length of the body in bytes, line ends included.
    pub length: usize,
}

/// Reads the header: the rest of the line behind `|` or `>`. Nothing if it is no header.
pub fn header(rest: &str) -> Option<Header> {
    let mut header = Header {
        bare: rest.trim().is_empty(),
        ..Header::default()
    };
    let end = rest.find([' ', '\t']).unwrap_or(rest.len());
    let (indicators, tail) = rest.split_at(end);
    for c in indicators.chars() {
        match c {
            '+' if header.chomp == Chomp::Clip => header.chomp = Chomp::Keep,
            '-' if header.chomp == Chomp::Clip => header.chomp = Chomp::Strip,
            '1'..='9' if header.indent.is_none() => header.indent = c.to_digit(10).map(|d| d as usize),
            _ => return None,
        }
    }
    let tail = tail.trim_start();
    (tail.is_empty() || tail.starts_with('#')).then_some(header)
}

/// Finds the body that starts with `text`. `parent` is the column of the key or dash above, nothing at the top.
///
/// Errors: the number of the line of the body, from 0, that belongs neither to the text nor to what follows.
pub fn body(text: &str, header: Header, parent: Option<usize>) -> Result<Block<'_>, usize> {
    let least = parent.map_or(0, |p| p + 1);
    let explicit = header.indent.map(|n| parent.unwrap_or(0) + n);
    let mut indent = explicit;
    let mut block = Block {
        lines: Vec::new(),
        indent: explicit.unwrap_or(0),
        next_indent: None,
        length: 0,
    };
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let depth = content.len() - content.trim_start_matches(' ').len();
        let blank = depth == content.len();
        if !blank {
            let wanted = *indent.get_or_insert(depth.max(least));
            block.indent = wanted;
            if depth < wanted {
                let comment = content.trim_start().starts_with('#');
                if depth >= least && !comment {
                    return Err(number);
                }
                block.next_indent = Some(depth);
                return Ok(block);
            }
        }
        block.lines.push(content);
        block.length += line.len();
    }
    Ok(block)
}

impl Block<'_> {
    /// True when the lines before the content have no blanks, which quire would take for the indentation.
    pub fn starts_clean(&self) -> bool {
        let mut blank = self
            .lines
            .iter()
            .take_while(|line| line.trim_matches(' ').is_empty());
        blank.all(|line| line.is_empty())
    }

    /// The value of the scalar.
    pub fn value(&self, folded: bool, chomp: Chomp) -> String {
        let lines: Vec<&str> = self
            .lines
            .iter()
            .map(|l| l.get(self.indent..).unwrap_or(""))
            .collect();
        let count = lines.iter().rposition(|line| !line.trim_matches(' ').is_empty());
        let content = lines.get(..count.map_or(0, |last| last + 1)).unwrap_or(&[]);
        let trailing = lines.len() - content.len();
        let mut value = if folded { fold(content) } else { content.join("\n") };
        match chomp {
            Chomp::Strip => {}
            Chomp::Clip if content.is_empty() => {}
            Chomp::Clip => value.push('\n'),
            Chomp::Keep => {
                let ends = trailing + usize::from(!content.is_empty());
                value.push_str(&"\n".repeat(ends));
            }
        }
        value
    }
}

/// Joins lines by spaces, except at blank lines and at lines that are indented further.
fn fold(lines: &[&str]) -> String {
    let mut value = String::new();
    let mut blanks = 0;
    let mut previous: Option<&str> = None;
    let spaced = |line: &str| line.starts_with([' ', '\t']);
    for line in lines {
        if line.is_empty() {
            blanks += 1;
            continue;
        }
        match previous {
            Some(before) if spaced(before) || spaced(line) => value.push('\n'),
            Some(_) if blanks == 0 => value.push(' '),
            _ => {}
        }
        value.push_str(&"\n".repeat(blanks));
        value.push_str(line);
        blanks = 0;
        previous = Some(line);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(indicator: &str, text: &str) -> String {
        let header = header(&indicator[1..]).unwrap();
        let block = body(text, header, Some(0)).unwrap();
        block.value(indicator.starts_with('>'), header.chomp)
    }

    #[test]
    fn literal_text() {
        assert_eq!(value("|", "  a\n   b\n\n  c\n\n"), "a\n b\n\nc\n");
        assert_eq!(value("|-", "  a\n  b\n\n"), "a\nb");
        assert_eq!(value("|+", "  a\n\n\n"), "a\n\n\n");
        assert_eq!(value("|2", "    a\n  b\n"), "  a\nb\n");
        assert_eq!(value("|2-", "\n   a\n"), "\n a");
        assert_eq!(value("|", "next"), "");
        assert_eq!(value("|+", "\n\n"), "\n\n");
    }

    #[test]
    fn folded_text() {
        assert_eq!(value(">", "  a\n  b\n\n  c\n"), "a b\nc\n");
        assert_eq!(value(">-", "  a\n    b\n  c\n"), "a\n  b\nc");
        assert_eq!(
            value(
                ">",
                "\n  folded\n  line\n\n  next\n  line\n    * bullet\n\n    * list\n\n  last\n"
            ),
            "\nfolded line\nnext line\n  * bullet\n\n  * list\n\nlast\n"
        );
    }

    #[test]
    fn extent() {
        let bare = Header::default();
        let block = body("  a\n# comment\nb: c", bare, Some(0)).unwrap();
        assert_eq!((block.length, block.next_indent), (4, Some(0)));
        assert_eq!(body("    a\n  b\n", bare, Some(0)), Err(1));
        assert!(body("    a\n  # b\n", bare, Some(0)).is_ok());
    }

    #[test]
    fn headers() {
        assert!(header("").is_some_and(|h| h.bare));
        assert!(header("  ").is_some_and(|h| h.bare));
        assert!(header(" # comment").is_some_and(|h| !h.bare));
        assert_eq!(header("-2").and_then(|h| h.indent), Some(2));
        for bad in ["--", "0", "22", "x", " x", "-#c"] {
            assert_eq!(header(bad), None, "{bad:?}");
        }
    }
}
