//! The accounts of the mailboxes: who holds how much, and whether one more frame fits.

use std::collections::BTreeMap;

use super::config::StorageLimits;
use crate::transport::websocket::protocol::{Refusal, RefusalKind};

/// Names a sender inside one mailbox without telling who it is: a keyed hash of both fingerprints.
pub(super) type SenderTag = [u8; 8];

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn fits(&self, bytes: u64, most_messages: u64, most_bytes: u64) -> bool {
        self.messages < most_messages && self.bytes.saturating_add(bytes) <= most_bytes
    }
}

#[derive(Debug, Default)]
struct Account {
    claimed: bool,
    held: Amount,
    senders: BTreeMap<SenderTag, Amount>,
}

/// What all mailboxes hold, by what their keeper calls a mailbox. Mailboxes that are empty and whose owner was never here
/// have no account.
#[derive(Debug)]
pub(super) struct Usage<Owner> {
    accounts: BTreeMap<Owner, Account>,
    total: Amount,
    unclaimed: Amount,
}

impl<Owner> Default for Usage<Owner> {
    fn default() -> Self {
        Self { accounts: BTreeMap::new(), total: Amount::default(), unclaimed: Amount::default() }
    }
}

impl<Owner: Ord + Copy> Usage<Owner> {
    /// Everything that is held.
    pub(super) fn total(&self) -> Amount {
        self.total
    }

    /// What one mailbox holds.
    #[cfg(test)]
    pub(super) fn of(&self, owner: &Owner) -> Amount {
        self.accounts.get(owner).map(|account| account.held).unwrap_or_default()
    }

    /// Every mailbox that holds something.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Owner> {
        self.accounts.iter().filter(|(_, account)| account.held.messages > 0).map(|(owner, _)| owner)
    }

    /// The owner of a mailbox has been here.
    pub(super) fn claim(&mut self, owner: Owner) {
        let account = self.accounts.entry(owner).or_default();
        if !account.claimed {
            account.claimed = true;
            self.unclaimed.messages = self.unclaimed.messages.saturating_sub(account.held.messages);
            self.unclaimed.bytes = self.unclaimed.bytes.saturating_sub(account.held.bytes);
        }
    }

    /// Whether `bytes` more from `sender` fit into the mailbox of `owner`.
    pub(super) fn check(
        &self,
        owner: &Owner,
        sender: &SenderTag,
        bytes: u64,
        limits: &StorageLimits,
    ) -> Result<(), Refusal> {
        if !self.total.fits(bytes, limits.total_messages, limits.total_bytes) {
            return Err(Refusal::new(RefusalKind::RelayFull, "the relay's storage is full"));
        }
        let empty = Account::default();
        let account = self.accounts.get(owner).unwrap_or(&empty);
        let (messages, most_bytes) = if account.claimed {
            (limits.mailbox_messages, limits.mailbox_bytes)
        } else {
            (limits.unclaimed_messages, limits.unclaimed_bytes)
        };
        if !account.held.fits(bytes, messages, most_bytes) {
            return Err(Refusal::new(RefusalKind::MailboxFull, "the recipient's mailbox is full"));
        }
        if !account.claimed {
            let share = |total: u64| percent(total, limits.unclaimed_share_percent);
            if !self.unclaimed.fits(bytes, share(limits.total_messages), share(limits.total_bytes)) {
                let text = "the relay holds too much for recipients that were never here";
                return Err(Refusal::new(RefusalKind::RelayFull, text));
            }
        }
        let sent = account.senders.get(sender).copied().unwrap_or_default();
        let share = |whole: u64| percent(whole, limits.sender_share_percent).max(1);
        if !sent.fits(bytes, share(messages), share(most_bytes)) {
            return Err(Refusal::new(RefusalKind::MailboxFull, "your share of the recipient's mailbox is full"));
        }
        Ok(())
    }

    /// A message came in.
    pub(super) fn add(&mut self, owner: Owner, sender: SenderTag, bytes: u64) {
        let account = self.accounts.entry(owner).or_default();
        account.held.add(bytes);
        account.senders.entry(sender).or_default().add(bytes);
        self.total.add(bytes);
        if !account.claimed {
            self.unclaimed.add(bytes);
        }
    }

    /// A message is gone.
    pub(super) fn remove(&mut self, owner: &Owner, sender: &SenderTag, bytes: u64) {
        let Some(account) = self.accounts.get_mut(owner) else { return };
        account.held.remove(bytes);
        if let Some(sent) = account.senders.get_mut(sender) {
            sent.remove(bytes);
            if sent.messages == 0 {
                account.senders.remove(sender);
            }
        }
        self.total.remove(bytes);
        if !account.claimed {
            self.unclaimed.remove(bytes);
            if account.held.messages == 0 {
                self.accounts.remove(owner);
            }
        }
    }
}

fn percent(whole: u64, share: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(share.min(100)) / 100).unwrap_or(u64::MAX)
}
