//! Messages with open descriptors between related processes: sequential packets over a Unix socket pair, SCM_RIGHTS
//! (unix(7)).

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use super::process::check;

/// Most descriptors in one message; the kernel takes 253.
const MOST: usize = 16;
/// Longest text of one message, bytes.
const LONGEST: usize = 4096;
/// Room for the control message with [`MOST`] descriptors, aligned as `cmsghdr` wants it.
type Control = [u64; 16];

/// One end of the pair.
#[derive(Debug)]
pub struct Passage(OwnedFd);

impl Passage {
    /// Both ends, close-on-exec.
    pub fn pair() -> io::Result<(Passage, Passage)> {
        let mut fds = [-1; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: room for two descriptors.
        check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
        // SAFETY: both have just been created and belong to us.
        let [a, b] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        Ok((Passage(a), Passage(b)))
    }

    /// Takes over an end that was inherited by number. It then never waits: a full channel is EAGAIN.
    pub fn inherited(fd: OwnedFd) -> io::Result<Passage> {
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFL(flags))?;
        let flags = nix::fcntl::FdFlag::FD_CLOEXEC;
        nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFD(flags))?;
        Ok(Passage(fd))
    }

    /// Sends a text of 1 to 4096 bytes and up to 16 descriptors. Errors: InvalidInput beyond that, EPIPE when the other
    /// end is gone (SIGPIPE must be ignored, as Rust does).
    pub fn send(&self, text: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if text.is_empty() || text.len() > LONGEST || fds.len() > MOST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let fds: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let mut part = libc::iovec {
            iov_base: text.as_ptr().cast_mut().cast(),
            iov_len: text.len(),
        };
        let mut control: Control = [0; 16];
        let bytes = mem::size_of_val(fds.as_slice());
        // SAFETY: msghdr is plain data.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        if !fds.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            // SAFETY: arithmetic only; 16 descriptors need 80 of the 128 bytes.
            message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes as u32) } as _;
            // SAFETY: the control buffer is aligned, zeroed, and holds one header with this many descriptors.
            unsafe {
                let header = libc::CMSG_FIRSTHDR(&message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(bytes as u32) as _;
                ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), bytes);
            }
        }
        // SAFETY: all buffers of the message are alive.
        match unsafe { libc::sendmsg(self.0.as_raw_fd(), &message, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Waits for the next message; the descriptors are close-on-exec. `None` = the other end is gone.
    pub fn receive(&self) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let mut text = vec![0; LONGEST];
        let mut part = libc::iovec {
            iov_base: text.as_mut_ptr().cast(),
            iov_len: text.len(),
        };
        let mut control: Control = [0; 16];
        // SAFETY: msghdr is plain data.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control) as _;
        let n = loop {
            // SAFETY: all buffers of the message are alive and have the sizes given.
            let n = unsafe { libc::recvmsg(self.0.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
            let e = io::Error::last_os_error();
            match n {
                -1 if e.kind() == io::ErrorKind::Interrupted => {}
                -1 if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                -1 => return Err(e),
                n => break n as usize,
            }
        };
        let fds = take_descriptors(&message);
        text.truncate(n);
        Ok((n > 0).then_some((text, fds)))
    }
}

impl AsFd for Passage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The descriptors of a received message.
fn take_descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled the control buffer of this message; headers and lengths in it are its own, and
    // every descriptor in it is new and belongs to us.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header).cast::<i32>();
                let bytes = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                for n in 0..bytes / mem::size_of::<i32>() {
                    fds.push(OwnedFd::from_raw_fd(ptr::read_unaligned(data.add(n))));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    fds
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    #[test]
    fn descriptors_arrive_and_work() {
        let (a, b) = Passage::pair().unwrap();
        let (read, write) = crate::sys::process::pipe().unwrap();
        a.send(b"two", &[read.as_fd(), write.as_fd()]).unwrap();
        a.send(b"none", &[]).unwrap();
        drop((read, write));
        let (text, mut fds) = b.receive().unwrap().unwrap();
        assert_eq!((text.as_slice(), fds.len()), (b"two".as_slice(), 2));
        let mut write = File::from(fds.pop().unwrap());
        write.write_all(b"x").unwrap();
        drop(write);
        let mut got = String::new();
        File::from(fds.pop().unwrap()).read_to_string(&mut got).unwrap();
        assert_eq!(got, "x");
        let (text, fds) = b.receive().unwrap().unwrap();
        assert_eq!((text.as_slice(), fds.len()), (b"none".as_slice(), 0));
        drop(a);
        assert!(b.receive().unwrap().is_none());
    }

    #[test]
    fn limits_are_errors() {
        let (a, _b) = Passage::pair().unwrap();
        let fd = a.as_fd();
        assert!(a.send(b"", &[]).is_err());
        assert!(a.send(&[0; LONGEST + 1], &[]).is_err());
        assert!(a.send(b"x", &[fd; MOST + 1]).is_err());
        assert!(a.send(b"x", &[fd; MOST]).is_ok());
    }
}
