//! Decompression, recognised by the first bytes of a stream.

use std::io::{self, BufReader, Chain, Cursor, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{Stream, CONCATENATED};

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
pub fn decompress<R: Read + 'static>(file: R) -> io::Result<Box<dyn Read>> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut magic = Vec::with_capacity(6);
    (&mut reader).take(6).read_to_end(&mut magic)?;
    let kind = magic.clone();
    let input: Input<R> = Cursor::new(magic).chain(reader);
    Ok(match kind.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(input)),
        [0x42, 0x5a, 0x68, ..] => Box::new(MultiBzDecoder::new(input)),
        [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] => Box::new(XzDecoder::new_stream(input, xz()?)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd(input)?),
        _ => Box::new(input),
    })
}

fn xz() -> io::Result<Stream> {
    Ok(Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?)
}

fn zstd<R: Read>(input: R) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::new(input)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}
