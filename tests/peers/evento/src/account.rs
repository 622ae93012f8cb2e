use uuid::Uuid;

/// The longest stream that evento supports: it counts an aggregate's events in 16 bits.
pub const LONGEST_STREAM: usize = u16::MAX as usize;

#[evento::aggregate(name = "bank/Account")]
pub enum Account {
    MoneyDeposited { amount: u64, currency: String, channel: String, reference: String },
}

pub fn deposited(amount: u64) -> MoneyDeposited {
    MoneyDeposited {
        amount,
        currency: "EUR".to_owned(),
        channel: "branch".to_owned(),
        reference: Uuid::now_v7().to_string(),
    }
}
