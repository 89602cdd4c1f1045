<?php
// An old script that posts a reading as a form: php send.php http://[::1]:8080/log.php station=28ff temp=21.5
$fields = array();
foreach (array_slice($argv, 2) as $pair) {
    list($name, $value) = explode('=', $pair, 2);
    $fields[$name] = $value;
}
$context = stream_context_create(array('http' => array(
    'method' => 'POST',
    'header' => 'Content-Type: application/x-www-form-urlencoded',
    'content' => http_build_query($fields),
    'ignore_errors' => true,
)));
$answer = file_get_contents($argv[1], false, $context);
echo $http_response_header[0], "\n", $answer;
