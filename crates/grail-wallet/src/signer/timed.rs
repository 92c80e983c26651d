//! A stream that must be done at one moment, however slowly its bytes trickle.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Reads and writes until a deadline.
pub(super) struct Timed<'a> {
    stream: &'a UnixStream,
    until: Instant,
}

impl<'a> Timed<'a> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline of this very conversation; decides nothing else"
    )]
    pub(super) fn new(stream: &'a UnixStream, time: Duration) -> Self {
        Self { stream, until: Instant::now() + time }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline of this very conversation; decides nothing else"
    )]
    fn left(&self) -> io::Result<Duration> {
        // A time-out of zero would mean none.
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The user at the other end; `Ok(None)` where this system cannot say.
#[cfg(target_os = "linux")]
pub(super) fn peer(stream: &UnixStream) -> io::Result<Option<u32>> {
    Ok(Some(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw()))
}

/// The user at the other end; `Ok(None)` where this system cannot say.
#[cfg(not(target_os = "linux"))]
pub(super) fn peer(_: &UnixStream) -> io::Result<Option<u32>> {
    Ok(None)
}

/// The user of this process.
pub(super) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
