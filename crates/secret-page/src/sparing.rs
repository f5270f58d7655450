//! Giving memory back that the allocator keeps.

use std::ffi::c_int;

/// Threads share so many heaps at most. Each has its own rest of pages that nothing uses any more.
const ARENAS: c_int = 2;

/// Lets all threads share few heaps, where the allocator of this system knows how. To be called before there are threads.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator; any number is allowed. What it answers is whether it took it, and without
    // it the process only takes more room.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

/// Gives pages back to the kernel in which nothing lives any more: what a large piece of work leaves behind.
pub fn give_back_free_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks, and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}
