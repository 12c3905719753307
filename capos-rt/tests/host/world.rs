//! What the tests call: objects of this very thread, behind the hooks and a model of the kernel.
use crate::model;
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capos_rt::executor::block_on;
use capos_rt::hooks::capability::adopt;
use capos_rt::hooks::local::new_client;
use capos_rt::{object, receiver, ring, wait};
use schema::echo_capnp::echo;
use schema::interrupt_capnp::interrupt;
use schema::notification_capnp::notification;
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Runs a test in a thread of its own, over an area of so many bytes, with an echo server and a terminal.
pub fn world(area_bytes: u32, test: fn(echo::Client, terminal::Client, Rc<Log>)) {
    let thread = std::thread::spawn(move || {
        let interfaces = [echo::Client::TYPE_ID, terminal::Client::TYPE_ID, interrupt::Client::TYPE_ID];
        let handles = model::start(area_bytes, &interfaces);
        let log = Rc::new(Log::default());
        let service = receiver::open(model::ENDPOINT, 1024).unwrap();
        receiver::bind(service, echo::Client::TYPE_ID, None, object::dispatcher::<echo::Client, _>(Rc::new(Echo)));
        let screen = Rc::new(Screen(log.clone()));
        receiver::bind(
            service,
            interrupt::Client::TYPE_ID,
            None,
            object::dispatcher::<interrupt::Client, _>(Rc::new(Lines)),
        );
        receiver::bind(service, terminal::Client::TYPE_ID, Some(1), object::dispatcher::<terminal::Client, _>(screen));
        let (echo, terminal) = (FromClientHook::new(adopt(handles[0])), FromClientHook::new(adopt(handles[1])));
        let (before, _) = model::counts();
        test(echo, terminal, log);
        block_on(turns(20));
        let durable = if model::holds(model::INTERRUPT) { 2 } else { 3 };
        assert_eq!(model::counts().0, before - durable, "every handle that was received is released");
        receiver::stop(service);
        block_on(receiver::ended(service)).unwrap();
        ring::with(|ring| assert!(ring.arena.take(ring.arena.bytes()).is_some(), "every range of the arena came back"));
    });
    thread.join().unwrap();
}

/// What the servers saw.
#[derive(Default)]
pub struct Log {
    pub text: RefCell<String>,
    pub dropped: Cell<u32>,
    pub read_lines: Cell<u32>,
    pub release: Cell<bool>,
}

pub struct Echo;

impl echo::Server for Echo {
    async fn words(self: Rc<Self>, params: echo::WordsParams, mut results: echo::WordsResults) -> capnp::Result<()> {
        let (params, mut results) = (params.get()?, results.get());
        results.set_a(params.get_a());
        results.set_f(params.get_f());
        Ok(())
    }

    async fn text(self: Rc<Self>, params: echo::TextParams, mut results: echo::TextResults) -> capnp::Result<()> {
        let text = params.get()?.get_text()?.to_str()?;
        match text {
            "fail" => Err(Error::failed("as you wish".into())),
            "overload" => Err(Error::overloaded("too much".into())),
            "disconnect" => Err(Error::disconnected("gone".into())),
            "invalid" => Err(Error::failed("invalid argument: text".into())),
            "long" => {
                results.get().set_text("x".repeat(9000));
                Ok(())
            }
            text => {
                results.get().set_text(text);
                Ok(())
            }
        }
    }
}

pub struct Screen(pub Rc<Log>);

impl terminal_output::Server for Screen {
    async fn write(
        self: Rc<Self>,
        params: terminal_output::WriteParams,
        _: terminal_output::WriteResults,
    ) -> capnp::Result<()> {
        self.0.text.borrow_mut().push_str(params.get()?.get_text()?.to_str()?);
        Ok(())
    }
}

impl terminal::Server for Screen {
    async fn read_line(
        self: Rc<Self>,
        _: terminal::ReadLineParams,
        mut results: terminal::ReadLineResults,
    ) -> capnp::Result<()> {
        let _count = Count(self.0.clone());
        while !self.0.release.get() {
            wait::until(1).await;
        }
        results.get().set_line("typed");
        Ok(())
    }

    async fn output(
        self: Rc<Self>,
        _: terminal::OutputParams,
        mut results: terminal::OutputResults,
    ) -> capnp::Result<()> {
        results.get().set_output(new_client::<terminal_output::Client, _>(Half(self.0.clone())));
        Ok(())
    }
}

/// Counts calls of `read_line` that are running.
struct Count(Rc<Log>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.read_lines.set(self.0.read_lines.get() + 1);
    }
}

/// Rings the bell that it is given.
pub struct Lines;

impl interrupt::Server for Lines {
    async fn bind(self: Rc<Self>, params: interrupt::BindParams, _: interrupt::BindResults) -> capnp::Result<()> {
        let bell = params.get()?.get_notification()?;
        let mut request = bell.signal_request();
        request.get().set_bits(7);
        request.send().promise.await.map(drop)
    }
}

/// Writes down the bits that are signalled.
pub struct Bell(pub Rc<Log>);

impl notification::Server for Bell {
    async fn signal(
        self: Rc<Self>,
        params: notification::SignalParams,
        _: notification::SignalResults,
    ) -> capnp::Result<()> {
        self.0.text.borrow_mut().push_str(&params.get()?.get_bits().to_string());
        Ok(())
    }
}

/// The writing half of a terminal.
pub struct Half(pub Rc<Log>);

impl terminal_output::Server for Half {
    async fn write(
        self: Rc<Self>,
        params: terminal_output::WriteParams,
        _: terminal_output::WriteResults,
    ) -> capnp::Result<()> {
        self.0.text.borrow_mut().push_str(params.get()?.get_text()?.to_str()?);
        Ok(())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.0.dropped.set(self.0.dropped.get() + 1);
    }
}

pub async fn turns(count: usize) {
    for _ in 0..count {
        wait::until(1).await;
    }
}
