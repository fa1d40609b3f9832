//! Netlink messages as bytes (RFC 3549, netlink(7)): a builder, and readers that trust no length. Pure, no sockets.

/// Bytes of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE: usize = 4;
/// NLA_F_NESTED.
const NESTED: u16 = 1 << 15;
/// Bits of an attribute's type that are flags.
const FLAGS: u16 = 3 << 14;

/// A message under construction: header, fixed part, attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// An open nested attribute; [`Message::close`] writes its length.
#[derive(Debug)]
#[must_use]
pub struct Nest(usize);

impl Message {
    /// A message of this type with these `NLM_F_*` flags and the family's fixed part (`ifinfomsg`, `nfgenmsg`…).
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        let mut message = Message(bytes);
        message.raw(fixed);
        message
    }

    /// An attribute with these bytes.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Message {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        self.raw(value);
        self.set_length(start, ATTRIBUTE + value.len());
        self
    }

    /// A 32-bit number in the byte order of the machine, as rtnetlink wants it.
    pub fn put_u32(&mut self, kind: u16, value: u32) -> &mut Message {
        self.put(kind, &value.to_ne_bytes())
    }

    /// A 32-bit number in network byte order, as nfnetlink wants it.
    pub fn put_be32(&mut self, kind: u16, value: u32) -> &mut Message {
        self.put(kind, &value.to_be_bytes())
    }

    /// A string with its final NUL. A NUL inside would end it early.
    pub fn put_str(&mut self, kind: u16, value: &str) -> &mut Message {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Opens a nested attribute: what follows is inside, until it is closed.
    pub fn open(&mut self, kind: u16) -> Nest {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend((kind | NESTED).to_ne_bytes());
        Nest(start)
    }

    /// Closes a nested attribute. Those inside must be closed before.
    pub fn close(&mut self, nest: Nest) -> &mut Message {
        let length = self.0.len() - nest.0;
        self.set_length(nest.0, length);
        self
    }

    /// Bytes without a header of their own, padded: the fixed part of a message inside of an attribute.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Message {
        self.0.extend(bytes);
        self.0.resize(aligned(self.0.len()), 0);
        self
    }

    /// Sets further `NLM_F_*` flags.
    pub fn add_flags(&mut self, flags: u16) {
        let flags = flags | read_u16(&self.0, 6).unwrap_or_default();
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    /// The finished bytes with this sequence number.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn set_length(&mut self, start: usize, length: usize) {
        // Attributes are far below 64 KiB: everything in them is checked before.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

fn aligned(n: usize) -> usize {
    (n + 3) & !3
}

/// One received message.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Type.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Number of the request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of one datagram; ends at the first one whose length is wrong.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = read_u32(bytes, 0)? as usize;
        let message = bytes.get(..length).filter(|m| m.len() >= HEADER)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(Received {
            kind: read_u16(message, 4)?,
            flags: read_u16(message, 6)?,
            sequence: read_u32(message, 8)?,
            body: message.get(HEADER..)?,
        })
    })
}

/// Attributes as (type without flags, value); ends at the first one whose length is wrong.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = read_u16(bytes, 0)? as usize;
        let kind = read_u16(bytes, 2)?;
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind & !FLAGS, value))
    })
}

/// The value of the first attribute of this type.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, v)| v)
}

/// Text up to the first NUL.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// A number of 16 bits at an offset, in the byte order of the machine.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let b = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(b.try_into().ok()?))
}

/// A number of 32 bits at an offset, in the byte order of the machine.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let b = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(b.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_built_can_be_read() {
        let mut m = Message::new(16, 5, &[1, 2, 3]);
        m.put_str(3, "lo").put_u32(10, 7);
        let nest = m.open(18);
        m.put_str(1, "bridge");
        m.close(nest);
        let bytes = m.finish(42);
        assert_eq!(bytes.len() % 4, 0);
        let found: Vec<Received<'_>> = messages(&bytes).collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].flags, found[0].sequence), (16, 5, 42));
        let rest = &found[0].body[4..];
        assert_eq!(attribute(rest, 3).map(text).as_deref(), Some("lo"));
        assert_eq!(attribute(rest, 10).and_then(|v| read_u32(v, 0)), Some(7));
        let nested = attribute(rest, 18).unwrap();
        assert_eq!(attribute(nested, 1).map(text).as_deref(), Some("bridge"));
        assert_eq!(attribute(rest, 99), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for m in messages(&bytes) {
                attributes(m.body).for_each(drop);
            }
            attributes(&bytes).for_each(drop);
        }
    }
}
