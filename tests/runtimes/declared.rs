// Rust for a console that speaks C: scopes, members in an order of the compiler's choice, an enumeration with data,
// and functions that pass structures by rules of Rust's own.
mod shop {
    use std::sync::atomic::AtomicU32;

    pub struct Item {
        pub small: u8,
        pub large: u64,
        pub name: String,
        pub count: u16,
    }
    pub static COUNTER: AtomicU32 = AtomicU32::new(5);
    pub static TABLE: [u16; 3] = [1, 2, 3];

    #[inline(never)]
    pub fn twice(x: i64) -> i64 {
        x * 2
    }
    #[inline(never)]
    pub fn consume(item: Item) -> u64 {
        item.large + item.small as u64 + item.count as u64 + item.name.len() as u64
    }
}

pub enum Shape {
    Circle(f64),
    Square { side: f32 },
}

#[inline(never)]
fn area(shape: &Shape) -> f64 {
    match shape {
        Shape::Circle(radius) => radius * 3.0,
        Shape::Square { side } => (side * side) as f64,
    }
}

fn main() {
    let item = shop::Item { small: 1, large: 2, name: "name".to_string(), count: 3 };
    let sum = area(&Shape::Circle(1.0)) + area(&Shape::Square { side: 2.0 });
    let counter = shop::COUNTER.load(std::sync::atomic::Ordering::Relaxed);
    println!("{} {} {} {}", shop::twice(2), shop::consume(item), shop::TABLE[counter as usize % 3] as u32, sum);
    println!("ready");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(100));
    }
}
