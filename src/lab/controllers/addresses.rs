//! Virtual addresses, handed out in order.

use std::net::Ipv4Addr;

use crate::lab::store::Transaction;

/// The first addresses belong to the network, the node's bridge and (of Services) the API server and DNS.
const RESERVED: u64 = 10;
/// How many are handed out.
const SIZE: u64 = (1 << 16) - RESERVED - 1;

/// A range that addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// 10.244.0.0/16.
    Pods,
    /// 10.96.0.0/16.
    Services,
}

/// Notes that an address is taken; `false` where it was already.
pub(super) fn claim(transaction: &mut Transaction<'_>, address: &str) -> bool {
    transaction.serial(&format!("address {address}")) == 1
}

/// The next address that was never taken; after a whole round of the range, one that may have been.
pub(super) fn next(transaction: &mut Transaction<'_>, range: Range) -> String {
    let network = match range {
        Range::Pods => Ipv4Addr::new(10, 244, 0, 0),
        Range::Services => Ipv4Addr::new(10, 96, 0, 0),
    };
    loop {
        let serial = transaction.serial(&format!("{range:?}"));
        let offset = u32::try_from(RESERVED + serial % SIZE).unwrap_or_default();
        let address = Ipv4Addr::from_bits(network.to_bits() + offset).to_string();
        if claim(transaction, &address) || serial > SIZE {
            return address;
        }
    }
}
