"""MQTT: topics, messages, the three connections, presence and the embedded broker."""
