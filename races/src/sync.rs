//! Atomics that loom watches, and that statics can hold, too: those are made anew in each order that is tried, at the first
//! access, which must come before there are two threads.

/// As `core::sync::atomic`.
pub mod atomic {
    use crate::{execution, memory};
    pub use loom::sync::atomic::{Ordering, fence};
    use std::cell::UnsafeCell;

    macro_rules! atomic {
        ($name:ident, $value:ty, $store:ident) => {
            /// Loom's atomic of this name.
            #[repr(transparent)]
            pub struct $name(Lazy<$value, loom::sync::atomic::$name>);

            impl $name {
                /// An atomic with this value.
                pub const fn new(value: $value) -> Self {
                    const fn later(value: $value) -> $name {
                        $name(Lazy { value, now: UnsafeCell::new((0, None)) })
                    }
                    fn now(value: $value) -> $name {
                        let atomic = loom::sync::atomic::$name::new(value);
                        $name(Lazy { value, now: UnsafeCell::new((execution(), Some(atomic))) })
                    }
                    std::intrinsics::const_eval_select((value,), later, now)
                }

                fn now(&self) -> &loom::sync::atomic::$name {
                    self.0.get(loom::sync::atomic::$name::new)
                }

                /// As the machine's.
                pub fn load(&self, ordering: Ordering) -> $value {
                    self.now().load(ordering)
                }

                /// As the machine's.
                pub fn store(&self, value: $value, ordering: Ordering) {
                    self.now().$store(value, ordering);
                }

                /// As the machine's.
                pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    self.now().swap(value, ordering)
                }

                /// As the machine's.
                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.now().compare_exchange(current, new, success, failure)
                }
            }
        };
    }

    // Loom does not order a store behind another thread's swap, and a lock that was free would look held for ever.
    atomic!(AtomicBool, bool, swap);
    atomic!(AtomicU32, u32, store);
    atomic!(AtomicU64, u64, store);

    impl AtomicU32 {
        /// The atomic at this address of shared memory.
        ///
        /// # Safety
        /// A `u32` must lie there.
        pub unsafe fn from_ptr<'a>(place: *mut u32) -> &'a Self {
            memory::atomic(place.addr())
        }

        /// Its address, which names it.
        pub fn as_ptr(&self) -> *mut u32 {
            std::ptr::from_ref(self).cast_mut().cast()
        }
    }

    /// A value, and loom's atomic for the order that is being tried.
    struct Lazy<V, A> {
        value: V,
        now: UnsafeCell<(u64, Option<A>)>,
    }

    // SAFETY: loom runs its threads one at a time, and switches between them only within its own operations.
    unsafe impl<V, A> Sync for Lazy<V, A> {}

    impl<V: Copy, A> Lazy<V, A> {
        fn get(&self, make: impl FnOnce(V) -> A) -> &A {
            // SAFETY: nobody else runs meanwhile; what was made for an earlier order is not referred to any more.
            let (made, atomic) = unsafe { &mut *self.now.get() };
            if *made != execution() {
                // Loom keeps its own records of what an order used: an earlier atomic is not to be touched again.
                std::mem::forget(atomic.take());
                *made = execution();
            }
            atomic.get_or_insert_with(|| make(self.value))
        }
    }
}
