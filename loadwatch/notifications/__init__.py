"""Messages to people about alerts: to whom, what they say, and how they are sent."""
