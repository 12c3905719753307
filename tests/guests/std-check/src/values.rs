//! What one thread does with memory.
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::SystemTime;

/// Seconds from the start of 1970 to a day before this test was written.
const SOME_DAY_OF_2025: u64 = 1_750_000_000;

pub fn arguments() {
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(arguments[1..], ["one", "two"]);
}

pub fn collections() {
    let squares: BTreeMap<u64, u64> = (0..10_000).map(|n| (n, n * n)).collect();
    assert_eq!(squares.range(100..).next(), Some((&100, &10_000)));
    let mut heap: BinaryHeap<u32> = (0..1000).map(|n| n * 7 % 1000).collect();
    assert_eq!(heap.pop(), Some(999));
    let mut queue: VecDeque<String> = (0..100).map(|n| n.to_string()).collect();
    queue.rotate_left(50);
    assert_eq!(queue.front().map(String::as_str), Some("50"));
}

pub fn strings() {
    let text = format!("{:>8}|{:<8}|{:^8}|{:#x}|{:?}", "right", "left", "mid", 0xcafe, Some("ä€😀"));
    assert_eq!(text, "   right|left    |  mid   |0xcafe|Some(\"ä€😀\")");
    assert_eq!("17".parse::<i32>(), Ok(17));
}

pub fn floats() {
    let angle = std::hint::black_box(0.5_f64);
    let one = angle.sin().powi(2) + angle.cos().powi(2);
    assert!((one - 1.0).abs() < 1e-12);
    assert_eq!(format!("{:.3} {:e}", angle.exp().ln(), 1.5e300), "0.500 1.5e300");
}

pub fn large_allocations() {
    for bytes in [1 << 12, 1 << 16, 1 << 20, 4 << 20] {
        let mut block = vec![0u8; bytes];
        assert!(block.iter().all(|&byte| byte == 0), "fresh memory is zero");
        block.fill(0xaa);
        block.resize(bytes * 2, 0x55);
        assert_eq!((block[bytes - 1], block[bytes]), (0xaa, 0x55));
    }
}

pub fn hash_map() {
    let words: HashMap<String, usize> = (0..1000).map(|n| (format!("key {n}"), n)).collect();
    assert_eq!(words.get("key 500"), Some(&500));
    let remainders: HashSet<usize> = words.values().map(|n| n % 10).collect();
    assert_eq!(remainders.len(), 10);
}

pub fn date() {
    let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("now is later");
    let before = since_1970();
    assert!(before.as_secs() > SOME_DAY_OF_2025);
    assert!(since_1970() > before);
}
