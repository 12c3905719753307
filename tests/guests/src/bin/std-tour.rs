//! What an ordinary Rust program expects of `std`, checked one by one.

use schema::system_control_capnp::system_control;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Threads that run at once.
const THREADS: u32 = 8;

fn main() -> ExitCode {
    let checks: [(&str, fn()); 8] = [
        ("arguments", arguments),
        ("heap", heap),
        ("hash maps", hash_maps),
        ("threads", threads),
        ("mutexes and condition variables", locks),
        ("channels", channels),
        ("time", time),
        ("what was not granted", not_granted),
    ];
    for (name, check) in checks {
        check();
        println!("{name}: good");
    }
    capos_service::run(async |context| {
        println!("tests complete");
        let system: system_control::Client = context.take("system")?;
        system.shutdown_request().send().promise.await?;
        Ok(())
    })
}

fn arguments() {
    let arguments: Vec<String> = std::env::args().collect();
    assert_eq!(arguments, ["std-tour", "--first", "second word", "drei €"]);
}

fn heap() {
    let blocks: Vec<Vec<u8>> = (0..200).map(|index| vec![index as u8; index * 97]).collect();
    assert!(blocks.iter().enumerate().all(|(index, block)| block.iter().all(|&byte| byte == index as u8)));
    let large = vec![7u8; 1 << 20];
    assert_eq!(large.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 7 << 20);
}

fn hash_maps() {
    let squares: HashMap<u32, u32> = (0..1000).map(|number| (number, number * number)).collect();
    assert_eq!(squares[&31], 961);
}

fn threads() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct CountsDrops(Cell<u32>);
    impl Drop for CountsDrops {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.0.get(), Ordering::SeqCst);
        }
    }
    thread_local!(static LOCAL: CountsDrops = const { CountsDrops(Cell::new(0)) });

    let barrier = Arc::new(Barrier::new(THREADS as usize));
    let start = |number: u32| {
        let barrier = barrier.clone();
        thread::spawn(move || {
            LOCAL.with(|local| local.0.set(number));
            barrier.wait();
            number * 10
        })
    };
    let handles: Vec<_> = (0..THREADS).map(start).collect();
    let results: Vec<u32> = handles.into_iter().map(|handle| handle.join().expect("the thread ends well")).collect();
    assert_eq!(results, (0..THREADS).map(|number| number * 10).collect::<Vec<_>>());
    assert_eq!(DROPPED.load(Ordering::SeqCst), (0..THREADS).sum());
}

fn locks() {
    let shared = Arc::new((Mutex::new(0u32), Condvar::new()));
    for _ in 0..THREADS {
        let shared = shared.clone();
        thread::spawn(move || {
            for _ in 0..1000 {
                *shared.0.lock().expect("nobody panicked") += 1;
            }
            shared.1.notify_all();
        });
    }
    let count = shared.0.lock().expect("nobody panicked");
    let count = shared.1.wait_while(count, |count| *count < THREADS * 1000).expect("nobody panicked");
    assert_eq!(*count, THREADS * 1000);
}

fn channels() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || (0..1000).for_each(|number| sender.send(number).expect("the receiver listens")));
    assert!(receiver.iter().eq(0..1000));
}

fn time() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    let (_sender, receiver) = mpsc::channel::<()>();
    assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Err(mpsc::RecvTimeoutError::Timeout));
}

fn not_granted() {
    let refusals = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
    let file = std::fs::File::open("/etc/passwd").expect_err("no directory was granted");
    assert!(refusals.contains(&file.kind()), "{file:?}");
    let network = std::net::TcpStream::connect("127.0.0.1:80").expect_err("no network was granted");
    assert!(refusals.contains(&network.kind()), "{network:?}");
}
