"""What remains if nobody else can look: keys, boxes, records, the owner's pages and the process that serves them."""
