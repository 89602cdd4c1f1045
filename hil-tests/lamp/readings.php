<?php
// A page as it has stood on many a farm since 2008: mysqli, no framework, runs from PHP 5.4 on. It only reads.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
date_default_timezone_set('Europe/Berlin');
header('Content-Type: text/html; charset=utf-8');

function escaped($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
}

function shown_time($seconds)
{
    // UNIX_TIMESTAMP() of these columns has a fraction.
    return date('d.m.Y H:i:s T', (int) $seconds);
}

try {
    // Where the socket is, php.ini says: mysqli.default_socket.
    $db = new mysqli('localhost', 'reader', 'another one', 'paddock');
    $db->set_charset('utf8mb4');
    // The columns are UTC: NOW() and UNIX_TIMESTAMP() have to be, too.
    $db->query("SET time_zone = '+00:00'");
    $rows = $db->query('SELECT d.id, e.title, d.created_at, d.value, e.unit
        FROM paddock_sensor_data d JOIN paddock_vz_entities e ON e.id = d.sensor_id ORDER BY d.id DESC LIMIT 100');
    $recent = $db->query('SELECT COUNT(*) AS n FROM paddock_sensor_data WHERE created_at > NOW() - INTERVAL 1 HOUR');
    $notes = $db->query('SELECT name, text, UNIX_TIMESTAMP(ts) AS at
        FROM paddock_readings_named WHERE text IS NOT NULL ORDER BY id DESC LIMIT 20');
    $feeds = $db->query('SELECT name, unit, time, value FROM paddock_emoncms_feeds WHERE value IS NOT NULL ORDER BY name');
} catch (mysqli_sql_exception $error) {
    header('HTTP/1.1 503 Service Unavailable');
    exit('The readings cannot be reached just now.');
}

echo "<html><body><h1>Barn</h1>\n<table>\n";
while ($row = $rows->fetch_assoc()) {
    // A time that does not say that it is UTC would be read as local time.
    $at = shown_time(strtotime($row['created_at'] . ' UTC'));
    printf(
        "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
        $row['id'], escaped($row['title']), $at, $row['value'], escaped($row['unit'])
    );
}
$counted = $recent->fetch_assoc();
echo "</table>\n<p>{$counted['n']} in the last hour</p>\n<ul>\n";
while ($note = $notes->fetch_assoc()) {
    printf("<li>%s: %s (%s)</li>\n", escaped($note['name']), escaped($note['text']), shown_time($note['at']));
}
echo "</ul>\n<dl>\n";
while ($feed = $feeds->fetch_assoc()) {
    printf(
        "<dt>%s</dt><dd>%s %s (%s)</dd>\n",
        escaped($feed['name']), $feed['value'], escaped($feed['unit']), shown_time($feed['time'])
    );
}
echo "</dl></body></html>\n";
