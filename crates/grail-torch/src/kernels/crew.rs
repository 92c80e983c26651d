//! Threads that share out a loop: whoever is free takes the next piece, the caller among them.
//!
//! A decoding step is some hundred loops of ten to a few hundred microseconds each, begun by a thread that also calls its
//! caller back between steps, with something that no other thread may hold. Within its own pool `rayon` is as quick; a loop
//! that is handed over to the pool from outside took 10 to 20 µs more here (two threads), a few milliseconds a step.
//! OpenMP's threads, libtorch's, wait spinning for as long as it pleases them, which a busy neighbour on the same processors
//! turns into a quarter of the speed: the thread that has work is not the one that runs. Here a thread that waits spins for
//! [`SPIN`] and then sleeps, so that the system moves the other one onto its processor; and pieces are taken one by one, so
//! that a thread which is held up has one piece and no more.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

/// How long a thread looks for work, or for the end of work, before it sleeps.
const SPIN: Duration = Duration::from_micros(60);

/// What is done with the index of a piece.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A loop in progress; lives on its caller's stack.
struct Job<'a> {
    work: &'a Work<'a>,
    pieces: usize,
    done: AtomicUsize,
    panicked: AtomicBool,
    caller: Thread,
}

/// What all threads see.
struct Shared {
    /// Number of the loop in the upper half, how many of its pieces nobody has claimed in the lower. One word, so that
    /// nobody who is late can claim a piece of another loop than he means.
    ticket: AtomicU64,
    /// The loop; valid for whoever has claimed a piece, until that piece is done.
    job: AtomicPtr<()>,
    /// Threads that sleep, or are about to.
    asleep: AtomicUsize,
    stop: AtomicBool,
}

/// Threads for loops.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

impl Crew {
    /// So many threads, the caller of [`Crew::each`] included: at least one.
    ///
    /// Errors: the system gives no thread.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            asleep: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let mut crew = Self { shared, helpers: Vec::new() };
        for index in 1..threads {
            let shared = Arc::clone(&crew.shared);
            let thread = thread::Builder::new().name(format!("compute-{index}"));
            crew.helpers.push(thread.spawn(move || shared.help())?);
        }
        Ok(crew)
    }

    /// Threads, the caller included.
    pub(crate) fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Does `work` for every index below `pieces`, each once, in no order; ends when all are done.
    ///
    /// One caller at a time: `&mut` says so.
    ///
    /// # Panics
    /// When `work` panics for any index; the others are done all the same.
    #[allow(unsafe_code)]
    pub(crate) fn each(&mut self, pieces: usize, work: impl Fn(usize) + Sync) {
        if self.helpers.is_empty() || pieces < 2 {
            (0..pieces).for_each(work);
            return;
        }
        assert!(u32::try_from(pieces).is_ok(), "a loop of more than four thousand million pieces");
        let job = Job {
            work: &work,
            pieces,
            done: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            caller: thread::current(),
        };
        let shared = &*self.shared;
        let number = (shared.ticket.load(Ordering::Relaxed) >> 32) as u32;
        let number = number.wrapping_add(1);
        // The old loop has no piece left, so nobody reads the old job any more.
        shared.job.store(std::ptr::from_ref(&job).cast_mut().cast(), Ordering::Relaxed);
        shared.ticket.store(u64::from(number) << 32 | pieces as u64, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.helpers.iter().take(pieces - 1).for_each(|helper| helper.thread().unpark());
        }
        while let Some(index) = shared.claim(number) {
            job.run(index);
        }
        let mut patience = Patience::new();
        while job.done.load(Ordering::Acquire) < pieces {
            patience.wait();
        }
        assert!(!job.panicked.load(Ordering::Relaxed), "a thread that computes panicked");
    }
}

impl Job<'_> {
    /// Does one piece. What it borrows may be gone as soon as the last piece is counted.
    fn run(&self, index: usize) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.work)(index)));
        if result.is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        let (caller, pieces) = (self.caller.clone(), self.pieces);
        if self.done.fetch_add(1, Ordering::AcqRel) + 1 == pieces {
            caller.unpark();
        }
    }
}

impl Shared {
    /// A piece of the loop of that number, the last first, if it is still the current one and has any left.
    fn claim(&self, number: u32) -> Option<usize> {
        let mut ticket = self.ticket.load(Ordering::Acquire);
        loop {
            let left = (ticket & u64::from(u32::MAX)) as usize;
            if (ticket >> 32) as u32 != number || left == 0 {
                return None;
            }
            match self.ticket.compare_exchange_weak(ticket, ticket - 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(left - 1),
                Err(other) => ticket = other,
            }
        }
    }

    /// What a thread does all its life.
    #[allow(unsafe_code)]
    fn help(&self) {
        let mut patience = Patience::new();
        let mut seen = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let number = (self.ticket.load(Ordering::Acquire) >> 32) as u32;
            if number == seen {
                if patience.spins() {
                    std::hint::spin_loop();
                    continue;
                }
                // Said before the last look, so that the caller either sees a sleeper or is seen.
                self.asleep.fetch_add(1, Ordering::SeqCst);
                if (self.ticket.load(Ordering::SeqCst) >> 32) as u32 == seen
                    && !self.stop.load(Ordering::SeqCst)
                {
                    thread::park();
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            seen = number;
            while let Some(index) = self.claim(number) {
                // SAFETY: the piece that was just claimed is not done, so the caller of `each` still waits for it, and
                // the job on its stack, with the closure that it borrows, is alive until `run` has counted the piece.
                let job = unsafe { &*self.job.load(Ordering::Relaxed).cast::<Job<'_>>() };
                job.run(index);
            }
            patience = Patience::new();
        }
    }
}

/// How long somebody has waited.
struct Patience {
    since: Option<Instant>,
    looks: u32,
}

impl Patience {
    const fn new() -> Self {
        Self { since: None, looks: 0 }
    }

    /// Whether it is still worth to look again at once.
    #[expect(clippy::disallowed_methods, reason = "how long a thread spins enters no result")]
    fn spins(&mut self) -> bool {
        self.looks += 1;
        if !self.looks.is_multiple_of(32) {
            return true;
        }
        let now = Instant::now();
        now.duration_since(*self.since.get_or_insert(now)) < SPIN
    }

    /// Waits a little: spinning at first, then asleep until somebody unparks this thread.
    fn wait(&mut self) {
        if self.spins() {
            std::hint::spin_loop();
        } else {
            // Bounded, since a wake-up meant for another wait of this thread may have been taken for this one's.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A thread that panicked outside a piece has nothing more to say.
            let _ = helper.join();
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 2, 3, 8] {
            let mut crew = Crew::new(threads).unwrap();
            for round in 0..2_000 {
                let pieces = round % 37;
                let counts: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                crew.each(pieces, |index| {
                    counts[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {round}");
            }
        }
    }

    #[test]
    fn sleepers_are_woken() {
        let mut crew = Crew::new(4).unwrap();
        for _ in 0..20 {
            thread::sleep(SPIN * 20);
            let done = AtomicUsize::new(0);
            crew.each(64, |_| {
                done.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(50));
            });
            assert_eq!(done.load(Ordering::Relaxed), 64);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_crew_lives_on() {
        let mut crew = Crew::new(3).unwrap();
        let done = AtomicUsize::new(0);
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            crew.each(16, |index| {
                done.fetch_add(1, Ordering::Relaxed);
                assert_ne!(index, 7, "on purpose");
            });
        }));
        assert!(broken.is_err());
        assert_eq!(done.load(Ordering::Relaxed), 16);
        crew.each(16, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 32);
    }
}
