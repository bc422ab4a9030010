// Threads that wait in generic, inlined and trait functions, and one that panics and waits in its hook.
use std::sync::mpsc::{channel, Receiver};
use std::{panic, thread};

trait Work {
    fn work(&self, receiver: &Receiver<u32>) -> u32;
}

struct Waits<T>(T);

#[inline(always)]
fn inlined_receive(receiver: &Receiver<u32>) -> u32 {
    receiver.recv().unwrap_or(0)
}

impl<T: Copy + Into<u64>> Work for Waits<T> {
    #[inline(never)]
    fn work(&self, receiver: &Receiver<u32>) -> u32 {
        let received = inlined_receive(receiver);
        received + self.0.into() as u32
    }
}

#[inline(never)]
fn fails(values: &[u32], index: usize) -> u32 {
    values[index]
}

fn main() {
    panic::set_hook(Box::new(|_| {
        println!("ready");
        loop {
            thread::park();
        }
    }));
    let (_sender, receiver) = channel();
    let waiting = thread::Builder::new()
        .name("waits".to_string())
        .spawn(move || {
            let work: Box<dyn Work> = Box::new(Waits(7u16));
            work.work(&receiver)
        })
        .unwrap();
    thread::Builder::new()
        .name("panics".to_string())
        .spawn(|| fails(&[1, 2, 3], std::env::args().count() + 5))
        .unwrap();
    waiting.join().unwrap();
}
