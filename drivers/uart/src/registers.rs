//! Registers of the 16550, by offset from the first port.

/// Receive buffer (read) and transmit holding register (write).
pub const DATA: u8 = 0;
/// Interrupt enable register.
pub const INTERRUPT_ENABLE: u8 = 1;
/// Interrupt identification register (read).
pub const INTERRUPT_ID: u8 = 2;
/// FIFO control register (write).
pub const FIFO_CONTROL: u8 = 2;
/// Line control register.
pub const LINE_CONTROL: u8 = 3;
/// Modem control register.
pub const MODEM_CONTROL: u8 = 4;
/// Line status register.
pub const LINE_STATUS: u8 = 5;
/// Modem status register.
pub const MODEM_STATUS: u8 = 6;

/// Interrupt enable: a byte was received.
pub const ENABLE_RECEIVE: u8 = 1 << 0;
/// Interrupt enable: the transmit FIFO is empty.
pub const ENABLE_TRANSMIT: u8 = 1 << 1;

/// Interrupt identification: set if nothing is pending.
pub const NOTHING_PENDING: u8 = 1 << 0;
/// Interrupt identification: the bits that say what is pending.
pub const CAUSE: u8 = 0b1110;
/// Cause: modem status changed.
pub const CAUSE_MODEM: u8 = 0b0000;
/// Cause: the transmit FIFO is empty.
pub const CAUSE_TRANSMIT: u8 = 0b0010;
/// Cause: bytes were received.
pub const CAUSE_RECEIVE: u8 = 0b0100;
/// Cause: line status changed.
pub const CAUSE_LINE: u8 = 0b0110;
/// Cause: bytes wait below the trigger level.
pub const CAUSE_RECEIVE_TIMEOUT: u8 = 0b1100;

/// FIFO control: enable and clear both FIFOs, interrupt from 8 received bytes.
pub const FIFO_ENABLE_CLEAR_TRIGGER_8: u8 = 0b1000_0111;
/// Line control: 8 data bits, no parity, 1 stop bit; the divisor that firmware or kernel set stays.
pub const LINE_8N1: u8 = 0b0000_0011;
/// Modem control: DTR, RTS, and OUT2, which connects the interrupt.
pub const MODEM_READY_WITH_INTERRUPT: u8 = 0b0000_1011;
/// Line status: a received byte waits.
pub const DATA_READY: u8 = 1 << 0;
/// Line status: the chip lost a received byte.
pub const OVERRUN: u8 = 1 << 1;
/// Line status: the last byte has left the chip.
pub const TRANSMITTER_EMPTY: u8 = 1 << 6;

/// Bytes of the transmit FIFO.
pub const TRANSMIT_FIFO_BYTES: usize = 16;
