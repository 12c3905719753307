//! The driver against a model of the chip: what goes in on one side comes out on the other.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures_lite::future::{block_on, poll_once};
use proptest::prelude::*;
use uart::registers::*;
use uart::uart::{Registers, Uart};

/// A 16550 as its data sheet has it, as far as the driver uses it.
#[derive(Default)]
struct Chip {
    enabled: u8,
    transmit_pending: bool,
    incoming: VecDeque<u8>,
    sent: Vec<u8>,
    in_fifo: usize,
}

impl Chip {
    fn identification(&mut self) -> u8 {
        if self.enabled & ENABLE_RECEIVE != 0 && !self.incoming.is_empty() {
            return CAUSE_RECEIVE;
        }
        if self.enabled & ENABLE_TRANSMIT != 0 && std::mem::take(&mut self.transmit_pending) {
            return CAUSE_TRANSMIT;
        }
        NOTHING_PENDING
    }

    fn line_empties(&mut self) {
        self.in_fifo = 0;
        self.transmit_pending = true;
    }

    fn interrupts(&self) -> bool {
        self.enabled & ENABLE_RECEIVE != 0 && !self.incoming.is_empty()
            || self.enabled & ENABLE_TRANSMIT != 0 && self.transmit_pending
    }
}

#[derive(Clone, Default)]
struct Model(Rc<RefCell<Chip>>);

impl Registers for Model {
    type Error = ();

    async fn read(&self, register: u8) -> Result<u8, ()> {
        let mut chip = self.0.borrow_mut();
        Ok(match register {
            DATA => chip.incoming.pop_front().unwrap_or(0),
            INTERRUPT_ID => chip.identification(),
            LINE_STATUS => {
                let bit = |is_set, bit| if is_set { bit } else { 0 };
                bit(!chip.incoming.is_empty(), DATA_READY) | bit(chip.in_fifo == 0, TRANSMITTER_EMPTY)
            }
            _ => 0,
        })
    }

    async fn write(&self, register: u8, bytes: &[u8]) -> Result<(), ()> {
        let mut chip = self.0.borrow_mut();
        match register {
            DATA => {
                chip.in_fifo += bytes.len();
                assert!(chip.in_fifo <= TRANSMIT_FIFO_BYTES, "FIFO overrun");
                chip.sent.extend(bytes);
            }
            INTERRUPT_ENABLE => {
                chip.transmit_pending |= bytes[0] & !chip.enabled & ENABLE_TRANSMIT != 0 && chip.in_fifo == 0;
                chip.enabled = bytes[0];
            }
            _ => {}
        }
        Ok(())
    }
}

/// Runs interrupts until the chip is quiet; the line empties its FIFO at once.
async fn settle(uart: &Uart<Model>, chip: &Model) {
    while chip.0.borrow().interrupts() {
        uart.interrupt().await.unwrap();
        if chip.0.borrow().in_fifo > 0 {
            chip.0.borrow_mut().line_empties();
        }
    }
}

proptest! {
    #[test]
    fn everything_written_reaches_the_line_in_order(writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6000), 0..6)) {
        block_on(async {
            let chip = Model::default();
            let uart = Uart::start(chip.clone()).await.unwrap();
            for bytes in &writes {
                let mut write = Box::pin(uart.write(bytes));
                while poll_once(&mut write).await.is_none() {
                    settle(&uart, &chip).await;
                }
            }
            settle(&uart, &chip).await;
            assert_eq!(chip.0.borrow().sent, writes.concat());
            assert_eq!(chip.0.borrow().enabled, ENABLE_RECEIVE, "no transmit interrupts when idle");
        });
    }
}

#[test]
fn a_reader_waits_for_bytes() {
    block_on(async {
        let chip = Model::default();
        let uart = Uart::start(chip.clone()).await.unwrap();
        let mut read = Box::pin(uart.read(3));
        assert!(poll_once(&mut read).await.is_none());
        chip.0.borrow_mut().incoming.extend(b"hello");
        settle(&uart, &chip).await;
        assert_eq!(read.await, (b"hel".to_vec(), 0));
        assert_eq!(uart.read(100).await, (b"lo".to_vec(), 0));
    });
}

#[test]
fn a_flush_waits_until_the_last_byte_has_left() {
    block_on(async {
        let chip = Model::default();
        let uart = Uart::start(chip.clone()).await.unwrap();
        uart.flush().await.unwrap();
        uart.write(&[b'x'; TRANSMIT_FIFO_BYTES + 1]).await.unwrap();
        let mut flush = Box::pin(uart.flush());
        assert!(poll_once(&mut flush).await.is_none());
        settle(&uart, &chip).await;
        flush.await.unwrap();
        assert_eq!(chip.0.borrow().sent.len(), TRANSMIT_FIFO_BYTES + 1);
    });
}
