//! The driver: two directions, one interrupt. Only the interrupt path touches the FIFOs, so nothing races.
use std::cell::{Cell, RefCell};
use std::future::Future;

use event_listener::Event;

use crate::buffers::{Outgoing, Received};
use crate::registers::*;

/// Causes handled for one interrupt; a chip that reports more is stuck.
const MAX_CAUSES: usize = 1024;

/// The chip's registers.
pub trait Registers {
    /// Why an access failed.
    type Error;
    /// Reads a register.
    fn read(&self, register: u8) -> impl Future<Output = Result<u8, Self::Error>>;
    /// Writes bytes, one after the other, to a register.
    fn write(&self, register: u8, bytes: &[u8]) -> impl Future<Output = Result<(), Self::Error>>;
}

/// A 16550 and the bytes on their way through it.
pub struct Uart<R> {
    registers: R,
    received: RefCell<Received>,
    outgoing: RefCell<Outgoing>,
    transmitting: Cell<bool>,
    arrived: Event,
    drained: Event,
}

impl<R: Registers> Uart<R> {
    /// Sets the chip up: FIFOs on, interrupt on received bytes.
    pub async fn start(registers: R) -> Result<Self, R::Error> {
        registers.write(INTERRUPT_ENABLE, &[0]).await?;
        registers.write(LINE_CONTROL, &[LINE_8N1]).await?;
        registers.write(FIFO_CONTROL, &[FIFO_ENABLE_CLEAR_TRIGGER_8]).await?;
        registers.write(MODEM_CONTROL, &[MODEM_READY_WITH_INTERRUPT]).await?;
        registers.write(INTERRUPT_ENABLE, &[ENABLE_RECEIVE]).await?;
        Ok(Self {
            registers,
            received: RefCell::default(),
            outgoing: RefCell::default(),
            transmitting: Cell::new(false),
            arrived: Event::new(),
            drained: Event::new(),
        })
    }

    /// Waits for received bytes; gives at most `max` of them, and the number lost before them.
    pub async fn read(&self, max: usize) -> (Vec<u8>, u32) {
        loop {
            let arrived = self.arrived.listen();
            if max == 0 || !self.received.borrow().is_empty() {
                return self.received.borrow_mut().take(max);
            }
            arrived.await;
        }
    }

    /// Queues bytes for the line, waiting for space.
    pub async fn write(&self, mut bytes: &[u8]) -> Result<(), R::Error> {
        while !bytes.is_empty() {
            let drained = self.drained.listen();
            let queued = self.outgoing.borrow_mut().push(bytes);
            bytes = &bytes[queued..];
            self.request_transmit().await?;
            if !bytes.is_empty() {
                drained.await;
            }
        }
        Ok(())
    }

    /// Waits until the last byte of all that was written has left the chip.
    pub async fn flush(&self) -> Result<(), R::Error> {
        loop {
            let drained = self.drained.listen();
            if !self.transmitting.get() {
                break;
            }
            drained.await;
        }
        while self.registers.read(LINE_STATUS).await? & TRANSMITTER_EMPTY == 0 {}
        Ok(())
    }

    /// Handles everything that the chip reports. Called once for each interrupt.
    pub async fn interrupt(&self) -> Result<(), R::Error> {
        for _ in 0..MAX_CAUSES {
            let id = self.registers.read(INTERRUPT_ID).await?;
            if id & NOTHING_PENDING != 0 {
                break;
            }
            match id & CAUSE {
                CAUSE_TRANSMIT => self.transmit().await?,
                CAUSE_MODEM => {
                    self.registers.read(MODEM_STATUS).await?;
                }
                _ => self.receive().await?,
            }
        }
        Ok(())
    }

    /// Has the chip interrupt when its FIFO is empty, which it may already be.
    async fn request_transmit(&self) -> Result<(), R::Error> {
        if self.transmitting.replace(true) {
            return Ok(());
        }
        self.registers.write(INTERRUPT_ENABLE, &[ENABLE_RECEIVE | ENABLE_TRANSMIT]).await
    }

    async fn transmit(&self) -> Result<(), R::Error> {
        let bytes = self.outgoing.borrow_mut().take(TRANSMIT_FIFO_BYTES);
        self.drained.notify(usize::MAX);
        if bytes.is_empty() {
            self.transmitting.set(false);
            return self.registers.write(INTERRUPT_ENABLE, &[ENABLE_RECEIVE]).await;
        }
        self.registers.write(DATA, &bytes).await
    }

    async fn receive(&self) -> Result<(), R::Error> {
        loop {
            let status = self.registers.read(LINE_STATUS).await?;
            if status & OVERRUN != 0 {
                self.received.borrow_mut().count_lost();
            }
            if status & DATA_READY == 0 {
                return Ok(());
            }
            let byte = self.registers.read(DATA).await?;
            self.received.borrow_mut().push(byte);
            self.arrived.notify(usize::MAX);
        }
    }
}
