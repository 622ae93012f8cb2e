//! The tables of results.

use crate::arms::Arm;
use crate::count::Counts;
use crate::measure::{Step, Times};
use crate::report::print_ratio;

/// The results of one size.
pub(crate) struct Measured {
    pub(crate) size: usize,
    pub(crate) rounds: u32,
    /// In the order of [`Arm::ALL`], as are the times.
    pub(crate) counts: Vec<Counts>,
    pub(crate) times: Vec<Times>,
}

/// The target of each ratio.
const TARGET: f64 = 1.1;

impl Measured {
    /// A line for each arm, and one for the ratio of factum to the arm by hand.
    pub(crate) fn print(&self) {
        println!(
            "\n{0} events and {0} commands: seconds of the processor (on the clock), the median of {1} rounds",
            self.size, self.rounds
        );
        print(&Step::ALL.map(|step| Column {
            name: step.name(),
            cells:
                self.times.iter().map(|of| format!("{:.3} ({:.3})", of.cpu(step), of.wall(step))).collect(),
            ratio: self.ratio(step),
        }));
        println!();
        print(&[
            self.column("expanded", |of| of.expanded),
            self.column("llvm debug", |of| of.llvm_debug),
            self.column("llvm release", |of| of.llvm_release),
        ]);
    }

    pub(crate) fn print_ratios(&self, prefix: &str) {
        for step in [Step::Check, Step::Release] {
            print_ratio_of(prefix, step.name(), self.size, self.ratio(step));
        }
    }

    fn ratio(&self, step: Step) -> f64 {
        let (hand, factum) = of_the_same(self.times.iter());
        factum.ratio(hand, step)
    }

    fn column(&self, name: &'static str, count: fn(&Counts) -> u64) -> Column {
        let counts = self.counts.iter().map(count);
        // Far below the largest integer that a float holds exactly.
        #[expect(clippy::cast_precision_loss)]
        let (hand, factum) = of_the_same(counts.clone().map(|count| count as f64));
        Column { name, cells: counts.map(|count| count.to_string()).collect(), ratio: factum / hand }
    }
}

/// The instructions of a check of the last two arms, and their ratio.
// Far below the largest integer that a float holds exactly.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn print_instructions(prefix: &str, size: usize, hand: u64, factum: u64) {
    println!("{size} events and {size} commands: {hand} instructions by hand, {factum} with factum");
    print_ratio_of(prefix, "check-instructions", size, factum as f64 / hand as f64);
}

fn print_ratio_of(prefix: &str, what: &str, size: usize, ratio: f64) {
    print_ratio(&format!("compile/{prefix}{what}-{size}-vs-hand"), ratio, "<=", TARGET);
}

/// The values of the last two arms, which do the same work: by hand, and with factum.
fn of_the_same<T: Copy>(all: impl Iterator<Item = T>) -> (T, T) {
    let all: Vec<_> = all.collect();
    let [.., hand, factum] = all[..] else { unreachable!("there is one for each arm") };
    (hand, factum)
}

/// A value of each arm.
struct Column {
    name: &'static str,
    cells: Vec<String>,
    ratio: f64,
}

fn print(columns: &[Column]) {
    let line = |name: &str, cell: &dyn Fn(&Column) -> String| {
        print!("{name:<8}");
        for column in columns {
            print!("{:>18}", cell(column));
        }
        println!();
    };
    line("", &|column| column.name.to_owned());
    for (index, arm) in Arm::ALL.iter().enumerate() {
        line(arm.name(), &|column| column.cells[index].clone());
    }
    line("of hand", &|column| format!("{:.3}", column.ratio));
}
