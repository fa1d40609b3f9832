//! Decides whether options and words fit a pattern: a backtracking machine with its own stack and a budget of steps.

use super::element::{Elements, Kind};
use super::pattern::Pattern;

/// Most steps of one attempt, besides [`STEPS_PER_WORD`]; ordinary command lines need some dozens.
const MAX_STEPS: usize = 200_000;

/// Steps that each word may cost in addition, so that long lists of files fit.
const STEPS_PER_WORD: usize = 16;

/// The options on the command line: values by element, in the order given; flags have empty values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given(pub Vec<Vec<String>>);

impl Given {
    /// How often the option was given.
    pub fn count(&self, id: usize) -> usize {
        self.values(id).len()
    }

    /// Its values.
    pub fn values(&self, id: usize) -> &[String] {
        self.0.get(id).map(Vec::as_slice).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// Go on at the first, on failure at the second.
    Split(usize, usize),
    Jump(usize),
    /// Take a word equal to the element.
    Word(usize),
    /// Take any word.
    Positional(usize),
    /// Take an occurrence of an option.
    Option(usize),
    /// Take whatever is there of the options of `[options]`.
    Options,
    /// Remember in a slot how much was taken.
    Mark(usize),
    /// Fail when nothing was taken since the mark: ends loops over nothing.
    Progress(usize),
    End,
}

/// A compiled usage line.
#[derive(Debug, Clone)]
pub(super) struct Program {
    ops: Vec<Op>,
    marks: usize,
    /// What `[options]` stands for, empty when the line has none.
    shortcut: Vec<usize>,
    /// Options that the line mentions.
    explicit: Vec<usize>,
}

impl Program {
    /// Translates a pattern.
    pub fn compile(pattern: &Pattern, elements: &Elements) -> Program {
        let mut explicit = Vec::new();
        pattern.each_element(&mut |id| explicit.push(id));
        explicit.sort_unstable();
        explicit.dedup();
        let mut program = Program {
            ops: Vec::new(),
            marks: 0,
            shortcut: Vec::new(),
            explicit,
        };
        program.emit(pattern, elements);
        program.ops.push(Op::End);
        if program.ops.contains(&Op::Options) {
            let free = |id: &usize| program.explicit.binary_search(id).is_err();
            program.shortcut = elements
                .options()
                .filter(|(_, e)| e.described)
                .map(|(id, _)| id)
                .filter(free)
                .collect();
        }
        program
    }

    /// True when the line can take this option.
    pub fn takes(&self, id: usize) -> bool {
        self.shortcut.contains(&id) || self.explicit.binary_search(&id).is_ok()
    }

    fn emit(&mut self, pattern: &Pattern, elements: &Elements) {
        match pattern {
            Pattern::Element(id) => self.ops.push(match elements.0.get(*id).map(|e| &e.kind) {
                Some(Kind::Word(_)) => Op::Word(*id),
                Some(Kind::Positional(_)) => Op::Positional(*id),
                _ => Op::Option(*id),
            }),
            Pattern::Options => self.ops.push(Op::Options),
            Pattern::Sequence(list) => list.iter().for_each(|p| self.emit(p, elements)),
            Pattern::Optional(list) => {
                for item in list {
                    let split = self.reserve();
                    self.emit(item, elements);
                    self.set(split, Op::Split(split + 1, self.ops.len()));
                }
            }
            Pattern::Alternatives(list) => self.alternatives(list, elements),
            Pattern::Repeat(inner) => self.repeat(inner, elements),
        }
    }

    fn alternatives(&mut self, list: &[Pattern], elements: &Elements) {
        let mut exits = Vec::new();
        for (n, branch) in list.iter().enumerate() {
            if n + 1 == list.len() {
                self.emit(branch, elements);
                break;
            }
            let split = self.reserve();
            self.emit(branch, elements);
            exits.push(self.reserve());
            self.set(split, Op::Split(split + 1, self.ops.len()));
        }
        for exit in exits {
            self.set(exit, Op::Jump(self.ops.len()));
        }
    }

    /// `BODY, then (BODY with progress)*`.
    fn repeat(&mut self, inner: &Pattern, elements: &Elements) {
        let slot = self.marks;
        self.marks += 1;
        let start = self.ops.len();
        self.ops.push(Op::Mark(slot));
        self.emit(inner, elements);
        let split = self.reserve();
        self.ops.push(Op::Progress(slot));
        self.ops.push(Op::Jump(start));
        self.set(split, Op::Split(split + 1, self.ops.len()));
    }

    fn reserve(&mut self) -> usize {
        self.ops.push(Op::End);
        self.ops.len() - 1
    }

    fn set(&mut self, at: usize, op: Op) {
        if let Some(slot) = self.ops.get_mut(at) {
            *slot = op;
        }
    }

    /// Which element took which word (by index), or `None` when the arguments do not fit. A word that is `None` is
    /// the `--` that ended the options; only a literal `--` takes it.
    pub fn run(
        &self,
        elements: &Elements,
        words: &[Option<&str>],
        given: &Given,
    ) -> Option<Vec<(usize, usize)>> {
        let mut machine = Machine {
            program: self,
            elements,
            words,
            left: (0..elements.0.len()).map(|id| given.count(id)).collect(),
            marks: vec![0; self.marks],
            state: State::default(),
            captures: Vec::new(),
            undo: Vec::new(),
        };
        machine.run()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    pc: usize,
    /// Next word.
    word: usize,
    /// Words and options taken so far.
    taken: usize,
}

enum Undo {
    Options(usize, usize),
    Mark(usize, usize),
}

struct Machine<'a> {
    program: &'a Program,
    elements: &'a Elements,
    words: &'a [Option<&'a str>],
    /// Occurrences of options nobody has taken yet.
    left: Vec<usize>,
    marks: Vec<usize>,
    state: State,
    captures: Vec<(usize, usize)>,
    undo: Vec<Undo>,
}

/// A place to go back to.
struct Choice {
    state: State,
    captures: usize,
    undo: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Option<Vec<(usize, usize)>> {
        let mut choices: Vec<Choice> = Vec::new();
        for _ in 0..MAX_STEPS + STEPS_PER_WORD * self.words.len() {
            let op = self.program.ops.get(self.state.pc).copied()?;
            if op == Op::End && self.complete() {
                return Some(std::mem::take(&mut self.captures));
            }
            if let Op::Split(first, second) = op {
                choices.push(Choice {
                    state: State {
                        pc: second,
                        ..self.state
                    },
                    captures: self.captures.len(),
                    undo: self.undo.len(),
                });
                self.state.pc = first;
            } else if !self.step(op) {
                self.back(&choices.pop()?);
            }
        }
        None
    }

    fn complete(&self) -> bool {
        self.state.word == self.words.len() && self.left.iter().all(|n| *n == 0)
    }

    /// Executes one operation; false when it does not fit.
    fn step(&mut self, op: Op) -> bool {
        let word = self.words.get(self.state.word).copied();
        let fits = match op {
            Op::Word(id) => match self.elements.0.get(id).map(|e| &e.kind) {
                Some(Kind::Word(text)) => {
                    word.is_some_and(|w| w.unwrap_or("--") == text.as_str()) && self.take_word(id)
                }
                _ => false,
            },
            Op::Positional(id) => word.flatten().is_some() && self.take_word(id),
            Op::Option(id) => self.take_option(id, 1),
            Op::Options => {
                self.take_shortcut();
                true
            }
            Op::Mark(slot) => {
                if let Some(mark) = self.marks.get_mut(slot) {
                    self.undo.push(Undo::Mark(slot, *mark));
                    *mark = self.state.taken;
                }
                true
            }
            Op::Progress(slot) => self.marks.get(slot).is_some_and(|m| *m < self.state.taken),
            Op::Jump(_) => true,
            Op::Split(..) | Op::End => false,
        };
        self.state.pc = match op {
            Op::Jump(target) => target,
            _ => self.state.pc + 1,
        };
        fits
    }

    fn take_word(&mut self, id: usize) -> bool {
        self.captures.push((id, self.state.word));
        self.state.word += 1;
        self.state.taken += 1;
        true
    }

    fn take_option(&mut self, id: usize, n: usize) -> bool {
        match self.left.get_mut(id) {
            Some(left) if *left >= n => {
                *left -= n;
                self.state.taken += n;
                self.undo.push(Undo::Options(id, n));
                true
            }
            _ => false,
        }
    }

    fn take_shortcut(&mut self) {
        let program = self.program;
        for id in &program.shortcut {
            let left = self.left.get(*id).copied().unwrap_or(0);
            let most = if self.elements.is_repeatable(*id) { left } else { 1 };
            if left > 0 {
                self.take_option(*id, left.min(most));
            }
        }
    }

    fn back(&mut self, choice: &Choice) {
        while self.undo.len() > choice.undo {
            match self.undo.pop() {
                Some(Undo::Options(id, n)) => {
                    if let Some(left) = self.left.get_mut(id) {
                        *left += n;
                    }
                }
                Some(Undo::Mark(slot, old)) => {
                    if let Some(mark) = self.marks.get_mut(slot) {
                        *mark = old;
                    }
                }
                None => break,
            }
        }
        self.captures.truncate(choice.captures);
        self.state = choice.state;
    }
}
