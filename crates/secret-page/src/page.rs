//! One page for one secret.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::ptr::{NonNull, null_mut};

/// How far a page is out of others' reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An ordinary page, kept out of core dumps and of children alone: it may not be locked
    /// (`RLIMIT_MEMLOCK`), so it may reach swap.
    Plain,
    /// A page that never reaches swap, a core dump or a child. Root reads it through `/proc/PID/mem`.
    Locked,
    /// A page of `memfd_secret(2)`: not even the kernel's own reads and writes reach it.
    MemfdSecret,
}

impl Kind {
    /// The word for status and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Locked => "locked",
            Self::MemfdSecret => "memfd_secret",
        }
    }
}

/// `N` bytes, zero at first, in a page of their own. Wiped when dropped. It cannot be cloned and has no `Debug`.
///
/// System calls cannot read from it or write to it where it is of `memfd_secret`.
pub struct SecretPage<const N: usize> {
    at: NonNull<[u8; N]>,
    kind: Kind,
}

// SAFETY: the page belongs to this value alone, and is reached through `&self` and `&mut self` only.
unsafe impl<const N: usize> Send for SecretPage<N> {}
// SAFETY: `&self` gives shared reads only.
unsafe impl<const N: usize> Sync for SecretPage<N> {}

impl<const N: usize> SecretPage<N> {
    /// No architecture that Linux runs on has smaller pages.
    const FITS: () = assert!(N > 0 && N <= 4096, "a secret must fit into one page");

    /// The best page that this machine gives.
    ///
    /// # Errors
    /// When there is no page at all.
    pub fn new() -> io::Result<Self> {
        match Self::secret() {
            Ok(page) => Ok(page),
            // Not built in, not enabled, not allowed here, or no more of them: the next best one.
            Err(_) => Self::anonymous(),
        }
    }

    /// A page of `memfd_secret(2)`.
    fn secret() -> io::Result<Self> {
        let () = Self::FITS;
        // SAFETY: the call takes flags alone and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let Ok(fd @ 0..) = RawFd::try_from(fd) else {
            return Err(io::Error::last_os_error());
        };
        // SAFETY: the descriptor was made just now and has no other owner.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(N as u64)?;
        // The mapping keeps the page when the descriptor is closed.
        let at = map(libc::MAP_SHARED, file.as_raw_fd(), N)?;
        advise(at, N);
        Ok(Self {
            at: at.cast(),
            kind: Kind::MemfdSecret,
        })
    }

    fn anonymous() -> io::Result<Self> {
        let () = Self::FITS;
        let at = map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, N)?;
        advise(at, N);
        // SAFETY: the range was mapped just now.
        let locked = unsafe { libc::mlock(at.as_ptr().cast(), N) } == 0;
        Ok(Self {
            at: at.cast(),
            kind: if locked { Kind::Locked } else { Kind::Plain },
        })
    }

    /// What kind of page it became.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The secret. Whoever copies it takes it out of here.
    #[must_use]
    pub fn bytes(&self) -> &[u8; N] {
        // SAFETY: the page is mapped, readable, of `N` bytes or more, and outlives `self`; `u8` has no alignment.
        unsafe { self.at.as_ref() }
    }

    /// The place to write it to.
    pub fn bytes_mut(&mut self) -> &mut [u8; N] {
        // SAFETY: as in `bytes`, and writable; `&mut self` is the only reference.
        unsafe { self.at.as_mut() }
    }
}

impl<const N: usize> Drop for SecretPage<N> {
    fn drop(&mut self) {
        // SAFETY: the page is mapped and writable, and nobody else has it.
        unsafe { crate::wiping::wipe(self.at.as_ptr().cast(), N) };
        // SAFETY: the range was mapped by `map` with this length, and no reference to it is left.
        unsafe { libc::munmap(self.at.as_ptr().cast(), N) };
    }
}

/// Maps `bytes` bytes, readable and writable.
fn map(flags: libc::c_int, fd: RawFd, bytes: usize) -> io::Result<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is in use.
    let at = unsafe { libc::mmap(null_mut(), bytes, access, flags, fd, 0) };
    match NonNull::new(at.cast::<u8>()) {
        Some(at) if at.as_ptr().cast() != libc::MAP_FAILED => Ok(at),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Keeps the range out of core dumps and out of children. Kernels that know neither still have the page.
fn advise(at: NonNull<u8>, bytes: usize) {
    for advice in [libc::MADV_DONTDUMP, libc::MADV_DONTFORK] {
        // SAFETY: the range was mapped just now; neither advice changes what it holds.
        unsafe { libc::madvise(at.as_ptr().cast(), bytes, advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, SecretPage};
    use std::fs;
    use std::os::unix::fs::FileExt as _;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// One test at a time: a page of another may come to lie where one was a moment ago.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flags of the mapping that holds this address, as the kernel tells them.
    fn flags(address: usize) -> String {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().unwrap_or_default();
            if let Some((from, to)) = range.split_once('-')
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                inside = (from..to).contains(&address);
            }
            if inside && let Some(flags) = line.strip_prefix("VmFlags: ") {
                return flags.to_owned();
            }
        }
        String::new()
    }

    /// What another process would read there.
    fn read_from_outside(address: usize) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        let memory = fs::File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, address as u64).ok()?;
        Some(bytes)
    }

    #[test]
    fn a_secret_page_holds_what_is_written_and_nobody_else_reads_it() {
        let _alone = alone();
        let mut page = SecretPage::<32>::secret().expect("this kernel and this user have memfd_secret(2)");
        assert_eq!(page.bytes(), &[0; 32]);
        *page.bytes_mut() = [0x5a; 32];
        assert_eq!((page.bytes(), page.kind()), (&[0x5a; 32], Kind::MemfdSecret));
        let address = page.at.as_ptr() as usize;
        assert_eq!(read_from_outside(address), None);
        let flags = flags(address);
        for flag in ["dd", "dc", "lo"] {
            assert!(flags.split(' ').any(|one| one == flag), "{flag}: {flags}");
        }
        // The control: an ordinary page is read.
        let plain = Box::new([0x5a_u8; 32]);
        assert_eq!(read_from_outside(plain.as_ptr() as usize), Some([0x5a; 32]));
    }

    #[test]
    fn the_next_best_page_is_locked_and_in_no_dump() {
        let _alone = alone();
        let mut page = SecretPage::<32>::anonymous().unwrap();
        page.bytes_mut().fill(7);
        assert_eq!(page.kind(), Kind::Locked);
        let flags = flags(page.at.as_ptr() as usize);
        for flag in ["dd", "dc", "lo"] {
            assert!(flags.split(' ').any(|one| one == flag), "{flag}: {flags}");
        }
    }

    #[test]
    fn a_dropped_page_is_gone() {
        let _alone = alone();
        let page = SecretPage::<32>::new().unwrap();
        let address = page.at.as_ptr() as usize;
        assert!(!flags(address).is_empty());
        drop(page);
        // Somebody else's memory may lie there by now; it is not kept out of dumps as a secret's page is.
        let flags = flags(address);
        assert!(flags.split(' ').all(|one| one != "dd"), "{flags}");
    }

    #[test]
    fn the_words_are_those_of_the_status() {
        let words = [Kind::MemfdSecret, Kind::Locked, Kind::Plain].map(Kind::as_str);
        assert_eq!(words, ["memfd_secret", "locked", "plain"]);
    }
}
