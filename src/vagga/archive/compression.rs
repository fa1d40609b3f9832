//! Decompression, recognised by the first bytes of a stream.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use bzip2::read::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{Stream, CONCATENATED};

use super::ahead::Ahead;

/// Bytes read from the compressed file at once.
const BUFFER: usize = 128 * 1024;
/// Most memory that an xz stream may ask for: enough for `xz -9` (65 MiB), not for a hostile dictionary.
const XZ_MEMORY: u64 = 256 << 20;
/// Largest window of a zstd stream, as a power of two: what `zstd --long=27` and thus Debian and Arch use.
const ZSTD_WINDOW: u32 = 27;

type Input<R> = Chain<Cursor<Vec<u8>>, BufReader<R>>;

/// The plain content of `file`: gzip, xz, bzip2 and zstd are recognised by their magic bytes, streams of several
/// members are read to the end, anything else is passed on as it is.
///
/// Errors: those of reading the first bytes, or of starting a decoder.
pub fn decompress<R: Read + Send + 'static>(file: R) -> io::Result<Box<dyn Read>> {
    Ok(match decoder(file)? {
        Decoder::Plain(input) => Box::new(input),
        Decoder::Of(stream) => stream,
    })
}

/// [`decompress`] by a thread that is a little ahead of the reader, for large archives. Nothing may fork before the
/// stream is dropped.
pub fn decompress_ahead<R: Read + Send + 'static>(file: R) -> io::Result<Box<dyn Read>> {
    Ok(match decoder(file)? {
        Decoder::Plain(input) => Box::new(input),
        Decoder::Of(stream) => Box::new(Ahead::new(stream)?),
    })
}

/// What the first bytes ask for.
enum Decoder<R> {
    /// Nothing to decode.
    Plain(Input<R>),
    Of(Box<dyn Read + Send>),
}

fn decoder<R: Read + Send + 'static>(file: R) -> io::Result<Decoder<R>> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut magic = Vec::with_capacity(6);
    (&mut reader).take(6).read_to_end(&mut magic)?;
    let kind = magic.clone();
    let input: Input<R> = Cursor::new(magic).chain(reader);
    Ok(Decoder::Of(match kind.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(Gzip::new(input)),
        [0x42, 0x5a, 0x68, ..] => Box::new(MultiBzDecoder::new(input)),
        [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] => Box::new(XzDecoder::new_stream(input, xz()?)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd(input)?),
        _ => return Ok(Decoder::Plain(input)),
    }))
}

fn xz() -> io::Result<Stream> {
    Ok(Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?)
}

fn zstd<R: Read + Send + 'static>(input: R) -> io::Result<impl Read + Send> {
    let mut decoder = zstd::stream::read::Decoder::new(input)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// A gzip stream of one or more members. Zeros after the last one are padding, as of tapes; anything else is an error,
/// since nobody can say what was lost. (gzip(1) warns and fails with status 2.)
struct Gzip<R> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    fn new(input: R) -> Gzip<R> {
        Gzip {
            member: Some(GzDecoder::new(input)),
        }
    }

    /// What follows a member.
    fn next_member(mut input: R) -> io::Result<Option<GzDecoder<R>>> {
        if input.fill_buf()?.first() == Some(&0x1f) {
            return Ok(Some(GzDecoder::new(input)));
        }
        loop {
            match input.fill_buf()? {
                [] => return Ok(None),
                padding if padding.iter().all(|byte| *byte == 0) => {
                    let length = padding.len();
                    input.consume(length);
                }
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "there is something else after the end of the gzip data",
                    ))
                }
            }
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buf)? {
                0 if !buf.is_empty() => {
                    let input = self.member.take().map(GzDecoder::into_inner);
                    self.member = input.map(Gzip::next_member).transpose()?.flatten();
                }
                n => return Ok(n),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> Result<String, String> {
        let mut text = String::new();
        let mut stream = decompress(Cursor::new(bytes)).unwrap();
        match stream.read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn gzip_members_padding_and_garbage() {
        let two = [member("a"), member(""), member("b")].concat();
        assert_eq!(read(two.clone()).as_deref(), Ok("ab"));
        let padded = [two.clone(), vec![0; 2 * BUFFER + 7]].concat();
        assert_eq!(read(padded.clone()).as_deref(), Ok("ab"));
        for garbage in [
            [two.clone(), b"x".to_vec()].concat(),
            [padded, member("c")].concat(),
        ] {
            assert!(read(garbage)
                .unwrap_err()
                .contains("after the end of the gzip data"));
        }
        let mut cut = two;
        cut.pop();
        assert!(read(cut).is_err());
    }
}
