//! How a run ends when its reader, writer or observer does: with the earliest error, and always.

use std::io::{self, Read, Write, repeat, sink};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{ThreadId, current};

use super::{CHUNK, Counted, Fails, RECORD, WAYS, decrypt_to, encrypt_to, encrypted, text, unobserved};
use crate::{Class, Error, HEADER_BYTES, hex_digest};

fn doing(error: &Error) -> &'static str {
    match error {
        Error::Io { doing, .. } => doing,
        other => panic!("{other} is no IO error"),
    }
}

#[test]
fn a_writer_that_fails_stops_a_reader_without_end() {
    for buffers in WAYS {
        for left in [0, 10, HEADER_BYTES, HEADER_BYTES + RECORD, 500] {
            let mut ciphertext = Vec::new();
            let writer = Fails::after(left, &mut ciphertext);
            let error = encrypt_to(buffers, repeat(7), writer, unobserved).unwrap_err();
            assert_eq!(doing(&error), "writing the ciphertext");
            assert_eq!(ciphertext.len(), left);
        }
    }
}

#[test]
fn what_was_read_before_a_reader_fails_is_written() {
    let ciphertext = encrypted(1000);
    let digest = hex_digest(&ciphertext);
    for buffers in WAYS {
        for whole in [0, 1, 2, 3, 9] {
            let mut written = Vec::new();
            let reader = Fails::after(whole * CHUNK as usize + 5, repeat(7));
            let error = encrypt_to(buffers, reader, &mut written, unobserved).unwrap_err();
            assert_eq!(doing(&error), "reading");
            assert_eq!(written.len(), HEADER_BYTES + whole * RECORD);

            let mut released = Vec::new();
            let reader = Fails::after(HEADER_BYTES + whole * RECORD + 5, &ciphertext[..]);
            let error = decrypt_to(buffers, (reader, 1000, &digest), &mut released, unobserved).unwrap_err();
            assert_eq!(doing(&error), "reading");
            assert_eq!(released, text(whole * CHUNK as usize));
        }
    }
}

#[test]
fn the_earliest_records_error_is_the_runs() {
    let mut ciphertext = encrypted(1000);
    ciphertext[HEADER_BYTES + 6 * RECORD + 9] ^= 1;
    let digest = hex_digest(&ciphertext);
    for buffers in WAYS {
        // The reader fails in record 8, the tag in record 6, the writer in record 5.
        let source = || Fails::after(HEADER_BYTES + 8 * RECORD + 1, &ciphertext[..]);
        let run = |writer: Fails<&mut Vec<u8>>| {
            decrypt_to(buffers, (source(), 1000, &digest), writer, unobserved).unwrap_err()
        };
        let mut released = Vec::new();
        let error = run(Fails::after(5 * CHUNK as usize + 3, &mut released));
        assert_eq!(doing(&error), "writing the plaintext");
        assert_eq!(released, text(5 * CHUNK as usize + 3));

        let mut released = Vec::new();
        let error = run(Fails::after(6 * CHUNK as usize, &mut released));
        assert_eq!(error, Error::Auth { index: 6 });
        assert_eq!(released, text(6 * CHUNK as usize));
    }
}

#[test]
fn a_flush_that_fails_is_an_error() {
    struct NoFlush;
    impl Write for NoFlush {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::Error::other("the disk is full"))
        }
    }
    let ciphertext = encrypted(90);
    let digest = hex_digest(&ciphertext);
    for buffers in WAYS {
        let error = encrypt_to(buffers, &text(90)[..], NoFlush, unobserved).unwrap_err();
        assert_eq!(doing(&error), "writing the ciphertext");
        let error = decrypt_to(buffers, (&ciphertext[..], 90, &digest), NoFlush, unobserved).unwrap_err();
        assert_eq!(doing(&error), "writing the plaintext");
    }
}

#[test]
fn an_observer_sees_every_byte_and_stops_the_run_when_it_says_so() {
    let ciphertext = encrypted(90);
    let digest = hex_digest(&ciphertext);
    for buffers in WAYS {
        let mut seen = Vec::new();
        let note = |bytes| {
            seen.push(bytes);
            ControlFlow::Continue(())
        };
        encrypt_to(buffers, &text(90)[..], sink(), note).unwrap();
        assert_eq!(seen, [16, 16, 16, 16, 16, 10]);

        for stop in 1..=6 {
            let (mut calls, mut written) = (0, Vec::new());
            let note = |_| {
                calls += 1;
                if calls == stop {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let error = decrypt_to(buffers, (&ciphertext[..], 90, &digest), &mut written, note).unwrap_err();
            assert_eq!((error.class(), calls), (Class::Interrupted, stop));
            assert_eq!(written, text(90)[..(stop * 16).min(90)]);
        }
        let stop_at_once = |_| ControlFlow::Break(());
        let error = encrypt_to(buffers, repeat(7), sink(), stop_at_once).unwrap_err();
        assert_eq!(error, Error::Interrupted);
    }
}

/// A panic of a caller's part goes on in the caller, and no thread is left waiting.
#[test]
fn a_panic_comes_out_and_hangs_nothing() {
    struct Panics(usize);
    impl Read for Panics {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).expect("enough reads");
            Ok(buffer.len())
        }
    }
    impl Write for Panics {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.read(&mut vec![0; bytes.len()])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for buffers in WAYS {
        for calls in [0, 1, 2, 5] {
            let run = || encrypt_to(buffers, Panics(calls), sink(), unobserved);
            catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            let run = || encrypt_to(buffers, repeat(7), Panics(calls), unobserved);
            catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        }
    }
}

/// At every write, no more was read ahead than the buffers hold.
#[test]
fn a_slow_writer_holds_the_reader_back() {
    for buffers in WAYS {
        let (read, written) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let plaintext = text(4000);
        let reader = Counted {
            inner: &plaintext[..],
            bytes: &read,
            before: || (),
        };
        let slow = || {
            std::thread::yield_now();
            let records = written.load(SeqCst).saturating_sub(HEADER_BYTES) / RECORD;
            let ahead = read.load(SeqCst) - (records * CHUNK as usize).min(4000);
            assert!(
                ahead <= buffers * CHUNK as usize,
                "{ahead} bytes ahead with {buffers} buffers"
            );
        };
        let writer = Counted {
            inner: sink(),
            bytes: &written,
            before: slow,
        };
        encrypt_to(buffers, reader, writer, unobserved).unwrap();
        assert_eq!(read.load(SeqCst), 4000);
    }
}

#[test]
fn the_first_record_is_out_before_the_second_is_read() {
    for buffers in WAYS {
        let (read, written) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let early = || {
            let expected = match read.load(SeqCst) {
                0..16 => HEADER_BYTES,
                _ => HEADER_BYTES + RECORD,
            };
            assert!(written.load(SeqCst) >= expected);
        };
        let plaintext = text(100);
        let reader = Counted {
            inner: &plaintext[..],
            bytes: &read,
            before: early,
        };
        let writer = Counted {
            inner: sink(),
            bytes: &written,
            before: || (),
        };
        encrypt_to(buffers, reader, writer, unobserved).unwrap();
    }
}

/// Notes which thread wrote last.
struct Writer<'w>(&'w mut ThreadId);

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0 = current().id();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn only_two_full_chunks_are_worth_a_thread() {
    let here = current().id();
    for (bytes, buffers, stays) in [
        (31, 4, true),
        (32, 4, false),
        (31, 1, true),
        (320, 1, true),
        (320, 2, false),
    ] {
        let mut by = here;
        encrypt_to(buffers, &text(bytes)[..], Writer(&mut by), unobserved).unwrap();
        assert_eq!(by == here, stays, "sealing {bytes} bytes with {buffers} buffers");
        let ciphertext = encrypted(bytes);
        let mut by = here;
        let source = (&ciphertext[..], bytes, &*hex_digest(&ciphertext));
        decrypt_to(buffers, source, Writer(&mut by), unobserved).unwrap();
        assert_eq!(by == here, stays, "opening {bytes} bytes with {buffers} buffers");
    }
}
