//! BLAKE3, only as far as indexes of the original vagga need it: the plain hash with 32 bytes of output.
//!
//! From the BLAKE3 paper (section 2). Nothing new is ever written with it, so it is made to be short, not fast.

const IV: [u32; 8] = [
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
];
/// Order of the message words in the next round.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/// Columns, then diagonals.
const MIXES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];
const ROUNDS: usize = 7;
const BLOCK: usize = 64;
const CHUNK: usize = 1024;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

type Chaining = [u32; 8];

/// Input of one compression.
#[derive(Debug, Clone, Copy)]
struct Node {
    chaining: Chaining,
    words: [u32; 16],
    counter: u64,
    length: u32,
    flags: u32,
}

impl Node {
    fn of_block(chaining: Chaining, block: &[u8], counter: u64, flags: u32) -> Node {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks(4)) {
            for (at, byte) in bytes.iter().enumerate() {
                *word |= u32::from(*byte) << (8 * at);
            }
        }
        Node {
            chaining,
            words,
            counter,
            length: block.len() as u32,
            flags,
        }
    }

    fn of_children(left: &Chaining, right: &Chaining) -> Node {
        let mut words = [0; 16];
        for (word, value) in words.iter_mut().zip(left.iter().chain(right)) {
            *word = *value;
        }
        Node {
            chaining: IV,
            words,
            counter: 0,
            length: BLOCK as u32,
            flags: PARENT,
        }
    }

    fn compress(&self, more_flags: u32) -> Chaining {
        let (low, high) = (self.counter as u32, (self.counter >> 32) as u32);
        let mut state = [0; 16];
        let tail = [
            IV[0],
            IV[1],
            IV[2],
            IV[3],
            low,
            high,
            self.length,
            self.flags | more_flags,
        ];
        for (word, value) in state.iter_mut().zip(self.chaining.iter().chain(&tail)) {
            *word = *value;
        }
        let mut words = self.words;
        for _ in 0..ROUNDS {
            for (mix, pair) in MIXES.iter().zip(words.chunks_exact(2)) {
                quarter(&mut state, *mix, pair[0], pair[1]);
            }
            words = PERMUTATION.map(|at| words[at]);
        }
        let mut out = [0; 8];
        let (front, back) = state.split_at(8);
        for (word, (a, b)) in out.iter_mut().zip(front.iter().zip(back)) {
            *word = a ^ b;
        }
        out
    }
}

fn quarter(v: &mut [u32; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    for (word, (turn_d, turn_b)) in [(x, (16, 12)), (y, (8, 7))] {
        v[a] = v[a].wrapping_add(v[b]).wrapping_add(word);
        v[d] = (v[d] ^ v[a]).rotate_right(turn_d);
        v[c] = v[c].wrapping_add(v[d]);
        v[b] = (v[b] ^ v[c]).rotate_right(turn_b);
    }
}

/// A hash in the making.
#[derive(Debug, Clone)]
pub struct Blake3 {
    /// Chaining values of complete subtrees, the largest first.
    subtrees: Vec<Chaining>,
    /// The last chunk, complete only while nothing follows it.
    chunk: Vec<u8>,
    /// Chunks before it.
    chunks: u64,
}

impl Blake3 {
    /// The hash of nothing so far.
    pub fn new() -> Blake3 {
        Blake3 {
            subtrees: Vec::new(),
            chunk: Vec::new(),
            chunks: 0,
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.chunk.len() == CHUNK {
                self.close_chunk();
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
    }

    /// The digest of everything so far; more may follow.
    pub fn digest(&self) -> [u8; 32] {
        let mut node = self.last_chunk();
        for left in self.subtrees.iter().rev() {
            node = Node::of_children(left, &node.compress(0));
        }
        let mut out = [0; 32];
        for (bytes, word) in out.chunks_exact_mut(4).zip(node.compress(ROOT)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// The chunk's last block, the others being compressed.
    fn last_chunk(&self) -> Node {
        let mut chaining = IV;
        let mut blocks = self.chunk.chunks(BLOCK).peekable();
        let mut flags = CHUNK_START;
        while let Some(block) = blocks.next() {
            if blocks.peek().is_none() {
                return Node::of_block(chaining, block, self.chunks, flags | CHUNK_END);
            }
            chaining = Node::of_block(chaining, block, self.chunks, flags).compress(0);
            flags = 0;
        }
        Node::of_block(chaining, &[], self.chunks, flags | CHUNK_END)
    }

    /// Adds the full chunk to the subtrees and joins those of equal size: as many as the count has trailing zeros.
    fn close_chunk(&mut self) {
        let mut chaining = self.last_chunk().compress(0);
        self.chunk.clear();
        self.chunks += 1;
        for _ in 0..self.chunks.trailing_zeros() {
            if let Some(left) = self.subtrees.pop() {
                chaining = Node::of_children(&left, &chaining).compress(0);
            }
        }
        self.subtrees.push(chaining);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::fetch::digest::hex;

    #[test]
    fn pieces_make_no_difference() {
        let data: Vec<u8> = (0..9000u32).map(|n| (n % 251) as u8).collect();
        let mut whole = Blake3::new();
        whole.update(&data);
        for piece in [1, 63, 64, 65, 1023, 1024, 1025] {
            let mut hash = Blake3::new();
            data.chunks(piece).for_each(|bytes| hash.update(bytes));
            assert_eq!(hash.digest(), whole.digest(), "{piece}");
        }
    }

    #[test]
    fn empty_text() {
        assert_eq!(
            hex(&Blake3::new().digest()),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }
}
