"""The ports: what the use cases need from storage. Adapters implement them.

Everything written through the ports of one transaction is kept together or not at all; the entry point commits.
Every method raises StorageUnavailable if the storage can't be used.
"""

from paymentagg.domain.ports.database import Database, TransactionManager
from paymentagg.domain.ports.monitoring import Freshness, PoolUse
from paymentagg.domain.ports.practices import PracticeRegistry
from paymentagg.domain.ports.reading import (
    Export,
    HistoryRepository,
    KeyRepository,
    PatientRepository,
    PaymentRepository,
    Reader,
    SessionRepository,
    SyncRepository,
)
from paymentagg.domain.ports.retention import Erased, Retention
from paymentagg.domain.ports.statistics import StatisticsRepository
from paymentagg.domain.ports.syncing import HeldBy, KeyedSync, PastSync, Replica, Snapshot, Storage
from paymentagg.domain.ports.undoing import DoneSync, Reversal
from paymentagg.domain.ports.verifying import Verification

__all__ = [
    "Database",
    "DoneSync",
    "Erased",
    "Export",
    "Freshness",
    "HeldBy",
    "HistoryRepository",
    "KeyRepository",
    "KeyedSync",
    "PastSync",
    "PatientRepository",
    "PaymentRepository",
    "PoolUse",
    "PracticeRegistry",
    "Reader",
    "Replica",
    "Retention",
    "Reversal",
    "SessionRepository",
    "Snapshot",
    "StatisticsRepository",
    "Storage",
    "SyncRepository",
    "TransactionManager",
    "Verification",
]
