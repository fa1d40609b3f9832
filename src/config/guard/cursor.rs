//! Walks through a text character by character and keeps what quire remembers about the line.

/// A position in the text, with what quire remembers about the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Offset in bytes.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 0, in characters.
    pub column: usize,
    /// Blanks at the start of the line; behind a dash the column.
    pub indent: usize,
    /// Only blanks so far.
    pub line_start: bool,
}

/// A text and the place in it.
pub struct Walker<'a> {
    /// The whole text.
    pub text: &'a str,
    /// The next character.
    pub at: Cursor,
}

impl<'a> Walker<'a> {
    /// At the start of a text.
    pub fn new(text: &'a str) -> Walker<'a> {
        Walker {
            text,
            at: Cursor {
                offset: 0,
                line: 1,
                column: 0,
                indent: 0,
                line_start: true,
            },
        }
    }

    /// The text from here on.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at.offset..).unwrap_or("")
    }

    /// The next character.
    pub fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.at.offset) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            _ => self.rest().chars().next(),
        }
    }

    /// Skips characters of one byte that are neither blank nor line end nor one of `stops`.
    pub fn skip_plain(&mut self, stops: &[u8]) {
        let bytes = self.text.as_bytes().get(self.at.offset..).unwrap_or(&[]);
        let plain = |b: &u8| matches!(b, b'!'..=b'~') && !stops.contains(b);
        let count = bytes.iter().take_while(|b| plain(b)).count();
        self.at.offset += count;
        self.at.column += count;
        self.at.line_start &= count == 0;
    }

    /// The character behind the next one.
    pub fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Takes the next character.
    pub fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        let at = &mut self.at;
        at.offset += c.len_utf8();
        at.column += 1;
        match c {
            '\n' => {
                at.line += 1;
                at.column = 0;
                at.indent = 0;
                at.line_start = true;
            }
            ' ' if at.line_start => at.indent += 1,
            _ => at.line_start = false,
        }
        Some(c)
    }

    /// Skips spaces and line ends.
    pub fn skip_blanks(&mut self) {
        let bytes = self.text.as_bytes().get(self.at.offset..).unwrap_or(&[]);
        let at = &mut self.at;
        for byte in bytes {
            match byte {
                b' ' => {
                    at.column += 1;
                    at.indent += usize::from(at.line_start);
                }
                b'\n' => {
                    at.line += 1;
                    at.column = 0;
                    at.indent = 0;
                    at.line_start = true;
                }
                _ => return,
            }
            at.offset += 1;
        }
    }

    /// Goes to the start of the next line, or to the end.
    pub fn skip_line(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        self.at.offset += length;
        self.at.column += rest.get(..length).map_or(0, |line| line.chars().count());
        self.bump();
    }
}
