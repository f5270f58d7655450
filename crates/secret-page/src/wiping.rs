//! A heap that forgets what it held.

use std::alloc::{GlobalAlloc, Layout, System};

/// Larger blocks are not wiped: no TLS record, no HTTP buffer and no answer that may hold a key is as large, and what
/// moves a model's bytes wipes its own buffers where they are plaintext.
const WIPED_BYTES: usize = 1 << 20;

/// An allocator over another one that wipes blocks of up to 1 MiB when they are freed, those included that a
/// growing vector leaves behind.
///
/// ```
/// use trustbridge_secret_page::Wiping;
///
/// #[global_allocator]
/// static HEAP: Wiping = Wiping::new();
/// # fn main() {}
/// ```
pub struct Wiping<A = System>(A);

impl Wiping {
    /// Over the system's allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self(System)
    }
}

impl Default for Wiping {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every block comes from the inner allocator and goes back to it with the layout that it came with. A block
// is written to only while it is freed, when its owner has given it up.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this same method.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this same method.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() <= WIPED_BYTES {
            // SAFETY: the block is of this size, and its owner has given it up.
            unsafe { wipe(block, layout.size()) };
        }
        // SAFETY: the block came from the inner allocator with this layout.
        unsafe { self.0.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > WIPED_BYTES {
            // SAFETY: the caller keeps the contract of this same method.
            return unsafe { self.0.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that the size is not zero and does not overflow with this alignment.
        let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the layout's size is not zero.
        let new = unsafe { self.0.alloc(larger) };
        if !new.is_null() {
            // SAFETY: both blocks are that long, and they are two.
            unsafe { std::ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
            // SAFETY: the caller gives up the old block, which has this layout.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

/// Writes zeros that no compiler leaves out.
///
/// # Safety
/// `bytes` bytes at `at` must be writable, and nobody may read them at the same time.
pub(crate) unsafe fn wipe(at: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::write_bytes(at, 0, bytes) };
    // SAFETY: no instruction at all. To the compiler it reads the memory behind the pointer, so the zeros must be
    // there before.
    unsafe { std::arch::asm!("/* {0} */", in(reg) at, options(nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    use super::{WIPED_BYTES, Wiping};
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts freed blocks that still hold something.
    #[derive(Default)]
    struct Spy {
        freed: AtomicUsize,
        dirty: AtomicUsize,
    }

    // SAFETY: the system's allocator, with a look at each block before it goes back.
    unsafe impl GlobalAlloc for Spy {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller keeps the contract of this same method.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: tests write all bytes of their blocks before they free them.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.freed.fetch_add(1, Ordering::Relaxed);
            if bytes.iter().any(|byte| *byte != 0) {
                self.dirty.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: the block came from the system's allocator with this layout.
            unsafe { System.dealloc(block, layout) };
        }
    }

    impl Wiping<Spy> {
        /// A block that is full of a secret.
        fn filled(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the size is not zero.
            let block = unsafe { self.alloc(layout) };
            // SAFETY: the block is that long.
            unsafe { block.write_bytes(0xa5, layout.size()) };
            block
        }

        fn seen(&self) -> (usize, usize) {
            let counted = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
            (counted(&self.0.freed), counted(&self.0.dirty))
        }
    }

    #[test]
    fn freed_blocks_are_wiped_up_to_the_limit() {
        let heap = Wiping(Spy::default());
        for (bytes, dirty) in [(1, 0), (4096, 0), (WIPED_BYTES, 0), (WIPED_BYTES + 1, 1)] {
            let layout = Layout::from_size_align(bytes, 8).unwrap();
            let block = heap.filled(layout);
            // SAFETY: the block came from this heap with this layout.
            unsafe { heap.dealloc(block, layout) };
            assert_eq!(heap.seen().1, dirty, "{bytes}");
        }
        // The spy itself sees what is not wiped.
        assert_eq!(heap.seen(), (4, 1));
    }

    #[test]
    fn what_a_growing_block_leaves_behind_is_wiped() {
        let heap = Wiping(Spy::default());
        let layout = Layout::from_size_align(32, 1).unwrap();
        let block = heap.filled(layout);
        // SAFETY: the block came from this heap with this layout, and the size is not zero.
        let grown = unsafe { heap.realloc(block, layout, 64) };
        assert_eq!(heap.seen(), (1, 0));
        // SAFETY: a grown block begins with the old one's bytes.
        let kept = unsafe { std::slice::from_raw_parts(grown, 32) };
        assert_eq!(kept, [0xa5; 32]);
        // SAFETY: the block is 64 bytes long.
        unsafe { grown.write_bytes(1, 64) };
        // SAFETY: the block came from this heap with this layout.
        unsafe { heap.dealloc(grown, Layout::from_size_align(64, 1).unwrap()) };
        assert_eq!(heap.seen(), (2, 0));
    }
}
