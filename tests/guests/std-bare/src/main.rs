//! Rust's std where nothing but a log was granted: it starts, computes and runs threads; what needs more is an error, and
//! the last one, a hash map without `entropy`, is a panic that ends the process.
extern crate capos_rt;

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;

fn main() {
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..3)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(n).expect("the receiver waits"))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    drop(sender);
    assert_eq!(receiver.iter().sum::<i32>(), 3);
    assert_eq!(std::env::vars().count(), 0);
    assert_eq!(std::io::stdin().read_line(&mut String::new()).expect("a missing stream is an empty one"), 0);
    println!("std-bare: a hash map now");
    let map: HashMap<u32, u32> = HashMap::new();
    println!("std-bare: {} entries, but where did the key come from?", map.len());
}
