//! The lowest lines of a terminal as a place of their own: the control sequences (ECMA-48; DEC VT510 manual: DECSTBM,
//! DECSC, DECRC; understood by everything that calls itself xterm, screen, tmux, vt100 or linux). Pure.

use std::fmt::Write as _;

/// Lines that the children keep in any case.
const LEAST_ABOVE: u16 = 4;
/// DECSC and DECRC: the cursor with all that belongs to it.
const SAVE: &str = "\x1b7";
const RESTORE: &str = "\x1b8";
/// The whole screen scrolls again. Below the cursor is nothing but the block, wherever a change of the size has put it.
pub const END: &str = "\x1b7\x1b[r\x1b8\x1b[J";

/// How the screen is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    height: u16,
    width: u16,
    /// Lines of the block.
    block: u16,
}

impl Screen {
    /// For so many lines on a screen of (columns, lines): at most half of it. `None` where there is no room.
    pub fn new((width, height): (u16, u16), lines: usize) -> Option<Screen> {
        let most = (height / 2).min(height.saturating_sub(LEAST_ABOVE));
        let block = most.min(u16::try_from(lines).unwrap_or(u16::MAX));
        (block >= 2 && width > 0).then_some(Screen { height, width, block })
    }

    /// Makes room: what is on the screen moves up as far as needed, the cursor stays in its text.
    pub fn begin(&self) -> String {
        let above = self.height - self.block;
        // IND scrolls at the lowest line only, and keeps the column.
        let down = "\x1bD".repeat(self.block.into());
        format!("{down}\x1b[{}A{SAVE}\x1b[1;{above}r{RESTORE}", self.block)
    }

    /// Writes the lines into the block; what finds no room is counted.
    pub fn draw(&self, lines: &[String]) -> String {
        let mut out = format!("{SAVE}\x1b[?7l");
        for (line, row) in self.fitting(lines).iter().zip(self.height - self.block + 1..) {
            let _ = write!(out, "\x1b[{row};1H\x1b[2m{line}\x1b[0m\x1b[K");
        }
        out + "\x1b[?7h" + RESTORE
    }

    fn fitting(&self, lines: &[String]) -> Vec<String> {
        let room = usize::from(self.block);
        let cut = |line: &String| line.chars().take(self.width.into()).collect::<String>();
        if lines.len() <= room {
            return lines.iter().map(cut).collect();
        }
        let mut out: Vec<String> = lines.iter().take(room - 1).map(cut).collect();
        let rest = lines.len() - out.len();
        out.push(cut(&format!(" and {rest} more")));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that knows what is used here, and what a child may do: text, CR, LF.
    struct Emulator {
        cells: Vec<Vec<char>>,
        cursor: (usize, usize),
        saved: (usize, usize),
        /// First and last line that scroll.
        region: (usize, usize),
        wraps: bool,
    }

    impl Emulator {
        fn new(width: usize, height: usize) -> Emulator {
            Emulator {
                cells: vec![vec![' '; width]; height],
                cursor: (0, 0),
                saved: (0, 0),
                region: (0, height - 1),
                wraps: true,
            }
        }

        fn feed(&mut self, text: &str) {
            let mut rest = text.chars();
            while let Some(c) = rest.next() {
                match c {
                    '\n' => self.line_down(),
                    '\r' => self.cursor.1 = 0,
                    '\x1b' => match rest.next() {
                        Some('7') => self.saved = self.cursor,
                        Some('8') => self.cursor = self.saved,
                        Some('D') => self.line_down(),
                        Some('[') => self.control(&mut rest),
                        other => panic!("ESC {other:?}"),
                    },
                    c => self.put(c),
                }
            }
        }

        fn put(&mut self, c: char) {
            let width = self.cells[0].len();
            if self.cursor.1 == width {
                if !self.wraps {
                    return;
                }
                self.cursor.1 = 0;
                self.line_down();
            }
            self.cells[self.cursor.0][self.cursor.1] = c;
            self.cursor.1 += 1;
        }

        fn line_down(&mut self) {
            if self.cursor.0 == self.region.1 {
                let width = self.cells[0].len();
                self.cells.remove(self.region.0);
                self.cells.insert(self.region.1, vec![' '; width]);
            } else {
                self.cursor.0 = (self.cursor.0 + 1).min(self.cells.len() - 1);
            }
        }

        fn control(&mut self, rest: &mut std::str::Chars<'_>) {
            let mut text = String::new();
            let end = loop {
                match rest.next().unwrap() {
                    c if c.is_ascii_alphabetic() => break c,
                    c => text.push(c),
                }
            };
            let number = |i: usize| text.split(';').nth(i).and_then(|n| n.parse::<usize>().ok());
            match end {
                'A' => self.cursor.0 -= number(0).unwrap_or(1),
                'H' => self.cursor = (number(0).unwrap() - 1, number(1).unwrap() - 1),
                'K' => self.cells[self.cursor.0][self.cursor.1..].fill(' '),
                'J' => {
                    self.cells[self.cursor.0][self.cursor.1..].fill(' ');
                    self.cells[self.cursor.0 + 1..]
                        .iter_mut()
                        .for_each(|l| l.fill(' '));
                }
                'r' => {
                    let last = number(1).unwrap_or(self.cells.len());
                    self.region = (number(0).unwrap_or(1) - 1, last - 1);
                    self.cursor = (0, 0);
                }
                'h' | 'l' => {
                    assert_eq!(text, "?7");
                    self.wraps = end == 'h';
                }
                'm' => {}
                other => panic!("CSI {text} {other}"),
            }
        }

        fn lines(&self) -> Vec<String> {
            let line = |l: &Vec<char>| l.iter().collect::<String>().trim_end().to_string();
            self.cells.iter().map(line).collect()
        }
    }

    fn block(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn output_scrolls_above_the_block() {
        let mut terminal = Emulator::new(10, 8);
        terminal.feed("one\r\ntwo\r\nhalf");
        let screen = Screen::new((10, 8), 3).unwrap();
        terminal.feed(&screen.begin());
        terminal.feed(&screen.draw(&block(&["--", "a up", "b up"])));
        assert_eq!(
            terminal.lines(),
            ["one", "two", "half", "", "", "--", "a up", "b up"]
        );
        terminal.feed("more\r\n4\r\n5\r\n6\r\n7");
        terminal.feed(&screen.draw(&block(&["--", "a down", "b up"])));
        terminal.feed("!");
        assert_eq!(
            terminal.lines(),
            ["halfmore", "4", "5", "6", "7!", "--", "a down", "b up"]
        );
        terminal.feed(END);
        assert_eq!(terminal.lines(), ["halfmore", "4", "5", "6", "7!", "", "", ""]);
        terminal.feed("\r\n8\r\n9");
        assert_eq!(terminal.lines()[5..], ["8", "9", ""]);
    }

    #[test]
    fn a_cursor_on_the_lowest_line_moves_up_with_its_text() {
        let mut terminal = Emulator::new(10, 8);
        terminal.feed("1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8 x");
        let screen = Screen::new((10, 8), 2).unwrap();
        terminal.feed(&screen.begin());
        terminal.feed(&screen.draw(&block(&["--", "a"])));
        terminal.feed("y");
        assert_eq!(terminal.lines(), ["3", "4", "5", "6", "7", "8 xy", "--", "a"]);
    }

    #[test]
    fn long_lines_are_cut_and_many_counted() {
        let mut terminal = Emulator::new(6, 8);
        let screen = Screen::new((6, 8), 6).unwrap();
        terminal.feed(&screen.begin());
        terminal.feed(&screen.draw(&block(&["--", "long line", "b", "c", "d", "e"])));
        assert_eq!(terminal.lines()[4..], ["--", "long l", "b", " and 3"]);
        terminal.feed(END);
        assert_eq!(terminal.lines(), [""; 8]);
    }

    #[test]
    fn small_screens_have_no_block() {
        for size in [(0, 24), (80, 0), (80, 1), (80, 3), (80, 5)] {
            assert_eq!(Screen::new(size, 3), None, "{size:?}");
        }
        assert_eq!(Screen::new((80, 6), 3).unwrap().block, 2);
        assert_eq!(Screen::new((80, 24), 100_000).unwrap().block, 12);
    }
}
